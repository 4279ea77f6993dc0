//! The other services, as small as they can be: one cart, a shelf, a store.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
};

use futures::Stream;
use omnimesh_kit::{call::Call, error::Fault};
use omnimesh_proto::{
    carts::v1::{self as carts, CartState, cart_service_server::CartService},
    catalog::v1::{
        self as catalog, ReservationState, location_service_server::LocationService, stock_service_server::StockService,
    },
    common::v1::ErrorReason,
    sessions::v1::{self as sessions, session_service_server::SessionService},
};
use tonic::{Request, Response, Status};

#[derive(Default)]
pub(super) struct State {
    pub(super) cart: carts::Cart,
    /// The session whose cart it is.
    pub(super) cart_session: String,
    pub(super) shelf: BTreeMap<(String, String), i64>,
    pub(super) reservations: BTreeMap<String, catalog::Reservation>,
    pub(super) verified: bool,
    /// SKUs and locations that the catalog does not know.
    pub(super) unknown: Vec<String>,
    /// RPCs that fail, so many times, after (`true`) or before they had their effect.
    pub(super) failures: BTreeMap<&'static str, (u32, bool)>,
    pub(super) calls: Vec<&'static str>,
}

#[derive(Clone, Default)]
pub(super) struct Fakes(pub(super) Arc<Mutex<State>>);

type Answer<T> = Result<Response<T>, Status>;

impl Fakes {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn run<T>(&self, name: &'static str, effect: impl FnOnce(&mut State) -> Result<T, Fault>) -> Answer<T> {
        let mut state = self.state();
        state.calls.push(name);
        let failure = state.failures.get_mut(name).filter(|(times, _)| *times > 0).map(|(times, after)| {
            *times -= 1;
            *after
        });
        match failure {
            Some(false) => Err(Status::unavailable("gone")),
            Some(true) => effect(&mut state)
                .map(drop)
                .map_or_else(|fault| Err(fault.into()), |()| Err(Status::unavailable("gone"))),
            None => Ok(Response::new(effect(&mut state)?)),
        }
    }
}

macro_rules! absent {
    ($($name:ident($request:ty) -> $response:ty),+ $(,)?) => {
        $(fn $name<'life0, 'async_trait>(
            &'life0 self,
            _: Request<$request>,
        ) -> Pin<Box<dyn Future<Output = Answer<$response>> + Send + 'async_trait>>
        where
            'life0: 'async_trait,
            Self: 'async_trait,
        {
            Box::pin(async { Err(Status::unimplemented(stringify!($name))) })
        })+
    };
}

type Never<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl CartService for Fakes {
    type WatchCartStream = Never<carts::WatchCartResponse>;

    async fn get_cart(&self, request: Request<carts::GetCartRequest>) -> Answer<carts::GetCartResponse> {
        let call = Call::of(&request)?;
        self.run("get_cart", |state| {
            let own = call.session().is_none_or(|session| session.id.to_string() == state.cart_session);
            let cart_id = &request.get_ref().cart_id;
            if !own || !(cart_id.is_empty() || *cart_id == state.cart.cart_id) {
                return Err(Fault::not_found("cart", ""));
            }
            Ok(carts::GetCartResponse { cart: Some(state.cart.clone()) })
        })
    }

    async fn freeze_cart(&self, request: Request<carts::FreezeCartRequest>) -> Answer<carts::FreezeCartResponse> {
        let request = request.into_inner();
        self.run("freeze_cart", |state| {
            let cart = &mut state.cart;
            if cart.state() != CartState::Active && cart.order_id != request.order_id {
                return Err(Fault::precondition(ErrorReason::CartFrozen, "the cart is frozen"));
            }
            if cart.state() == CartState::Active {
                if cart.version != request.expected_version {
                    return Err(Fault::version_mismatch(&cart.cart_id, cart.version));
                }
                cart.set_state(CartState::Frozen);
                cart.order_id = request.order_id;
                cart.version += 1;
            }
            Ok(carts::FreezeCartResponse { cart: Some(cart.clone()) })
        })
    }

    async fn thaw_cart(&self, request: Request<carts::ThawCartRequest>) -> Answer<carts::ThawCartResponse> {
        let request = request.into_inner();
        self.run("thaw_cart", |state| {
            let cart = &mut state.cart;
            if cart.state() != CartState::Frozen || cart.order_id != request.order_id {
                return Err(Fault::precondition(ErrorReason::CartFrozen, "not frozen for that order"));
            }
            cart.set_state(CartState::Active);
            cart.order_id.clear();
            Ok(carts::ThawCartResponse { cart: Some(cart.clone()) })
        })
    }

    absent! {
        add_line(carts::AddLineRequest) -> carts::AddLineResponse,
        change_line(carts::ChangeLineRequest) -> carts::ChangeLineResponse,
        remove_line(carts::RemoveLineRequest) -> carts::RemoveLineResponse,
        apply_coupon(carts::ApplyCouponRequest) -> carts::ApplyCouponResponse,
        set_delivery(carts::SetDeliveryRequest) -> carts::SetDeliveryResponse,
        merge_carts(carts::MergeCartsRequest) -> carts::MergeCartsResponse,
        claim_cart(carts::ClaimCartRequest) -> carts::ClaimCartResponse,
        watch_cart(carts::WatchCartRequest) -> Self::WatchCartStream,
    }
}

#[tonic::async_trait]
impl StockService for Fakes {
    async fn reserve(&self, request: Request<catalog::ReserveRequest>) -> Answer<catalog::ReserveResponse> {
        let request = request.into_inner();
        self.run("reserve", |state| {
            let open = |known: &&catalog::Reservation| {
                matches!(known.state(), ReservationState::Held | ReservationState::Confirmed)
            };
            if let Some(known) = state.reservations.get(&request.owner_id).filter(open) {
                return Ok(catalog::ReserveResponse { reservation: Some(known.clone()) });
            }
            let mut shelf = state.shelf.clone();
            let mut reservation = catalog::Reservation { owner_id: request.owner_id.clone(), ..Default::default() };
            for line in &request.lines {
                let mut left = line.quantity;
                for ((sku, location), on_hand) in &mut shelf {
                    let here = line.location_id.is_empty() || *location == line.location_id;
                    let quantity = left.min(*on_hand);
                    if *sku == line.sku && here && quantity > 0 {
                        (*on_hand, left) = (*on_hand - quantity, left - quantity);
                        reservation.allocations.push(catalog::Allocation {
                            line_id: line.line_id.clone(),
                            sku: sku.clone(),
                            location_id: location.clone(),
                            quantity,
                        });
                    }
                }
                if left > 0 && !request.allow_shortfall {
                    return Err(Fault::precondition(ErrorReason::OutOfStock, "not enough").metadata("sku", &line.sku));
                }
            }
            reservation.set_state(ReservationState::Held);
            state.shelf = shelf;
            state.reservations.insert(request.owner_id, reservation.clone());
            Ok(catalog::ReserveResponse { reservation: Some(reservation) })
        })
    }

    async fn confirm(&self, request: Request<catalog::ConfirmRequest>) -> Answer<catalog::ConfirmResponse> {
        self.run("confirm", |state| {
            let known = state.reservations.get_mut(&request.get_ref().owner_id);
            let open = |known: &&mut catalog::Reservation| known.state() != ReservationState::Released;
            let known = known.filter(open).ok_or_else(|| Fault::precondition(ErrorReason::ReservationLost, "lost"))?;
            known.set_state(ReservationState::Confirmed);
            Ok(catalog::ConfirmResponse { reservation: Some(known.clone()) })
        })
    }

    async fn release(&self, request: Request<catalog::ReleaseRequest>) -> Answer<catalog::ReleaseResponse> {
        self.run("release", |state| {
            let known = state.reservations.get_mut(&request.get_ref().owner_id);
            let known = known.ok_or_else(|| Fault::not_found("reservation", ""))?;
            if known.state() != ReservationState::Released {
                known.set_state(ReservationState::Released);
                for part in &known.allocations {
                    *state.shelf.entry((part.sku.clone(), part.location_id.clone())).or_default() += part.quantity;
                }
            }
            Ok(catalog::ReleaseResponse { reservation: Some(known.clone()) })
        })
    }

    async fn get_availability(
        &self,
        request: Request<catalog::GetAvailabilityRequest>,
    ) -> Answer<catalog::GetAvailabilityResponse> {
        self.run("get_availability", |state| {
            let skus = request.into_inner().skus.into_iter();
            let found = skus.map(|sku| {
                let known = !state.unknown.contains(&sku);
                catalog::Availability { sku, known, stock_counted: true, ..Default::default() }
            });
            Ok(catalog::GetAvailabilityResponse { availabilities: found.collect() })
        })
    }

    absent! {
        set_stock(catalog::SetStockRequest) -> catalog::SetStockResponse,
        adjust_stock(catalog::AdjustStockRequest) -> catalog::AdjustStockResponse,
        commit(catalog::CommitRequest) -> catalog::CommitResponse,
    }
}

#[tonic::async_trait]
impl LocationService for Fakes {
    async fn get_location(
        &self,
        request: Request<catalog::GetLocationRequest>,
    ) -> Answer<catalog::GetLocationResponse> {
        self.run("get_location", |state| {
            let location_id = request.get_ref().location_id.clone();
            if state.unknown.contains(&location_id) {
                return Err(Fault::not_found("location", ""));
            }
            let hours = catalog::OpeningHours { weekday: 1, open_minute: 540, close_minute: 1_080 };
            let location = catalog::Location {
                name: format!("Store {location_id}"),
                location_id,
                opening_hours: vec![hours],
                ..Default::default()
            };
            Ok(catalog::GetLocationResponse { location: Some(location) })
        })
    }

    absent! {
        upsert_location(catalog::UpsertLocationRequest) -> catalog::UpsertLocationResponse,
        list_locations(catalog::ListLocationsRequest) -> catalog::ListLocationsResponse,
    }
}

#[tonic::async_trait]
impl SessionService for Fakes {
    type WatchVerificationsStream = Never<sessions::WatchVerificationsResponse>;

    async fn check_verified_contact(
        &self,
        _: Request<sessions::CheckVerifiedContactRequest>,
    ) -> Answer<sessions::CheckVerifiedContactResponse> {
        self.run("check_verified_contact", |state| {
            Ok(sessions::CheckVerifiedContactResponse { verified: state.verified })
        })
    }

    absent! {
        start_session(sessions::StartSessionRequest) -> sessions::StartSessionResponse,
        get_session(sessions::GetSessionRequest) -> sessions::GetSessionResponse,
        start_verification(sessions::StartVerificationRequest) -> sessions::StartVerificationResponse,
        complete_verification(sessions::CompleteVerificationRequest) -> sessions::CompleteVerificationResponse,
        identify_session(sessions::IdentifySessionRequest) -> sessions::IdentifySessionResponse,
        end_session(sessions::EndSessionRequest) -> sessions::EndSessionResponse,
        load_session(sessions::LoadSessionRequest) -> sessions::LoadSessionResponse,
        attach_cart(sessions::AttachCartRequest) -> sessions::AttachCartResponse,
        watch_verifications(sessions::WatchVerificationsRequest) -> Self::WatchVerificationsStream,
    }
}
