//! The RPCs: one use case per file, and the servers that call them.

pub(crate) mod add_line;
pub(crate) mod apply_coupon;
pub(crate) mod change;
pub(crate) mod change_line;
pub(crate) mod claim_cart;
pub(crate) mod coupons;
pub(crate) mod find;
pub(crate) mod freeze_cart;
pub(crate) mod get_cart;
pub(crate) mod linked;
pub(crate) mod merge_carts;
pub(crate) mod prices;
pub(crate) mod remove_line;
pub(crate) mod set_delivery;
pub(crate) mod shipping_methods;
pub(crate) mod thaw_cart;
pub(crate) mod view;
pub(crate) mod watch_cart;

use futures::stream::BoxStream;
use omnimesh_kit::{call::Call, money::Currency, service::Deps};
use omnimesh_proto::carts::v1::{
    self as proto, cart_service_server::CartService, coupon_service_server::CouponService,
    shipping_service_server::ShippingService,
};
use tonic::{Request, Response, Status};

use crate::error::Error;

/// What every use case needs. The servers of all three gRPC services are clones of it.
#[derive(Clone, Debug)]
pub(crate) struct Carts {
    pub(crate) deps: Deps,
    pub(crate) default_currency: Currency,
}

impl Carts {
    /// Runs a use case to its end, even if the caller hangs up in the middle.
    async fn finish<Q, R, F>(
        &self,
        request: Request<Q>,
        run: impl FnOnce(Self, Call, Q) -> F,
    ) -> Result<Response<R>, Status>
    where
        R: Send + 'static,
        F: Future<Output = Result<Response<R>, Error>> + Send + 'static,
    {
        let call = Call::of(&request)?;
        let work = run(self.clone(), call, request.into_inner());
        Ok(self.deps.lifecycle.finish(work).await?)
    }
}

/// A server whose methods give their requests to the use cases of the same names.
macro_rules! serve {
    ($server:ident { $($name:ident: $request:ident -> $response:ident = $module:ident;)+ } $($more:tt)*) => {
        #[tonic::async_trait]
        impl $server for Carts {
            $(async fn $name(&self, request: Request<proto::$request>) -> Result<Response<proto::$response>, Status> {
                self.finish(request, |carts, call, request| async move {
                    $module::$name(&carts, &call, request).await
                })
                .await
            })+

            $($more)*
        }
    };
}

serve! {
    CartService {
        add_line: AddLineRequest -> AddLineResponse = add_line;
        change_line: ChangeLineRequest -> ChangeLineResponse = change_line;
        remove_line: RemoveLineRequest -> RemoveLineResponse = remove_line;
        apply_coupon: ApplyCouponRequest -> ApplyCouponResponse = apply_coupon;
        set_delivery: SetDeliveryRequest -> SetDeliveryResponse = set_delivery;
        merge_carts: MergeCartsRequest -> MergeCartsResponse = merge_carts;
        freeze_cart: FreezeCartRequest -> FreezeCartResponse = freeze_cart;
        thaw_cart: ThawCartRequest -> ThawCartResponse = thaw_cart;
        claim_cart: ClaimCartRequest -> ClaimCartResponse = claim_cart;
    }

    // Nothing of it must be finished for a caller who hung up.
    async fn get_cart(
        &self,
        request: Request<proto::GetCartRequest>,
    ) -> Result<Response<proto::GetCartResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(get_cart::get_cart(self, &call, request.into_inner()).await?)
    }

    type WatchCartStream = BoxStream<'static, Result<proto::WatchCartResponse, Status>>;

    async fn watch_cart(
        &self,
        request: Request<proto::WatchCartRequest>,
    ) -> Result<Response<Self::WatchCartStream>, Status> {
        let call = Call::of(&request)?;
        Ok(watch_cart::watch_cart(self, call, request.into_inner()).await?)
    }
}

serve! {
    ShippingService {
        upsert_shipping_method: UpsertShippingMethodRequest -> UpsertShippingMethodResponse = shipping_methods;
        list_shipping_methods: ListShippingMethodsRequest -> ListShippingMethodsResponse = shipping_methods;
    }
}

serve! {
    CouponService {
        upsert_coupon: UpsertCouponRequest -> UpsertCouponResponse = coupons;
        list_coupons: ListCouponsRequest -> ListCouponsResponse = coupons;
    }
}
