//! The RPCs, one file per use case: validate, transaction, domain, store, outbox, commit, reply.

mod adjust_stock;
mod commit;
mod confirm;
mod get_availability;
mod get_location;
mod get_product;
mod import_products;
mod list_channel_settings;
mod list_locations;
mod list_products;
mod list_tax_rates;
mod price_lines;
mod release;
mod reserve;
mod set_channel_settings;
mod set_stock;
mod set_tax_rates;
mod upsert_location;

use std::sync::Arc;

use futures::stream::BoxStream;
use omnimesh_kit::{
    call::Call,
    clock::Clock,
    error::Fault,
    links::Links,
    secrets::Secrets,
    store::{Db, Tx},
    validate::Violations,
};
use omnimesh_proto::{
    access::v1::Audience,
    catalog::v1::{
        self as proto, catalog_service_server::CatalogService, location_service_server::LocationService,
        stock_service_server::StockService,
    },
    common::v1::Channel,
};
use tonic::{Request, Response, Status, Streaming};

use crate::{domain::check, error::Error, store::locations};

/// What use cases work with.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) secrets: Secrets,
    pub(crate) links: Links,
}

/// The servers of the catalog.
#[derive(Clone, Debug)]
pub(crate) struct Api(pub(crate) Arc<State>);

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl CatalogService for Api {
    type ImportProductsStream = BoxStream<'static, Result<proto::ImportProductsResponse, Status>>;

    async fn import_products(
        &self,
        request: Request<Streaming<proto::ImportProductsRequest>>,
    ) -> Answer<Self::ImportProductsStream> {
        let call = Call::of(&request)?;
        Ok(Response::new(import_products::run(self.0.clone(), call, request.into_inner())))
    }

    async fn get_product(&self, request: Request<proto::GetProductRequest>) -> Answer<proto::GetProductResponse> {
        let call = Call::of(&request)?;
        Ok(get_product::run(&self.0, &call, request.into_inner()).await?)
    }

    async fn list_products(&self, request: Request<proto::ListProductsRequest>) -> Answer<proto::ListProductsResponse> {
        let call = Call::of(&request)?;
        Ok(list_products::run(&self.0, &call, request.into_inner()).await?)
    }

    async fn set_tax_rates(&self, request: Request<proto::SetTaxRatesRequest>) -> Answer<proto::SetTaxRatesResponse> {
        let call = Call::of(&request)?;
        Ok(set_tax_rates::run(&self.0, &call, request.into_inner()).await?)
    }

    async fn list_tax_rates(
        &self,
        request: Request<proto::ListTaxRatesRequest>,
    ) -> Answer<proto::ListTaxRatesResponse> {
        Ok(list_tax_rates::run(&self.0, request.into_inner()).await?)
    }

    async fn set_channel_settings(
        &self,
        request: Request<proto::SetChannelSettingsRequest>,
    ) -> Answer<proto::SetChannelSettingsResponse> {
        let call = Call::of(&request)?;
        Ok(set_channel_settings::run(&self.0, &call, request.into_inner()).await?)
    }

    async fn list_channel_settings(
        &self,
        _: Request<proto::ListChannelSettingsRequest>,
    ) -> Answer<proto::ListChannelSettingsResponse> {
        Ok(list_channel_settings::run(&self.0).await?)
    }

    async fn price_lines(&self, request: Request<proto::PriceLinesRequest>) -> Answer<proto::PriceLinesResponse> {
        Ok(price_lines::run(&self.0, request.into_inner()).await?)
    }
}

#[tonic::async_trait]
impl LocationService for Api {
    async fn upsert_location(
        &self,
        request: Request<proto::UpsertLocationRequest>,
    ) -> Answer<proto::UpsertLocationResponse> {
        let call = Call::of(&request)?;
        Ok(upsert_location::run(&self.0, &call, request.into_inner()).await?)
    }

    async fn get_location(&self, request: Request<proto::GetLocationRequest>) -> Answer<proto::GetLocationResponse> {
        let call = Call::of(&request)?;
        Ok(get_location::run(&self.0, &call, request.into_inner()).await?)
    }

    async fn list_locations(
        &self,
        request: Request<proto::ListLocationsRequest>,
    ) -> Answer<proto::ListLocationsResponse> {
        let call = Call::of(&request)?;
        Ok(list_locations::run(&self.0, &call, request.into_inner()).await?)
    }
}

#[tonic::async_trait]
impl StockService for Api {
    async fn set_stock(&self, request: Request<proto::SetStockRequest>) -> Answer<proto::SetStockResponse> {
        let call = Call::of(&request)?;
        Ok(set_stock::run(&self.0, &call, request.into_inner()).await?)
    }

    async fn adjust_stock(&self, request: Request<proto::AdjustStockRequest>) -> Answer<proto::AdjustStockResponse> {
        let call = Call::of(&request)?;
        Ok(adjust_stock::run(&self.0, &call, request.into_inner()).await?)
    }

    async fn get_availability(
        &self,
        request: Request<proto::GetAvailabilityRequest>,
    ) -> Answer<proto::GetAvailabilityResponse> {
        let call = Call::of(&request)?;
        Ok(get_availability::run(&self.0, &call, request.into_inner()).await?)
    }

    async fn reserve(&self, request: Request<proto::ReserveRequest>) -> Answer<proto::ReserveResponse> {
        let call = Call::of(&request)?;
        Ok(reserve::run(&self.0, &call, request.into_inner()).await?)
    }

    async fn confirm(&self, request: Request<proto::ConfirmRequest>) -> Answer<proto::ConfirmResponse> {
        let call = Call::of(&request)?;
        Ok(confirm::run(&self.0, &call, request.into_inner()).await?)
    }

    async fn release(&self, request: Request<proto::ReleaseRequest>) -> Answer<proto::ReleaseResponse> {
        let call = Call::of(&request)?;
        Ok(release::run(&self.0, &call, request.into_inner()).await?)
    }

    async fn commit(&self, request: Request<proto::CommitRequest>) -> Answer<proto::CommitResponse> {
        let call = Call::of(&request)?;
        Ok(commit::run(&self.0, &call, request.into_inner()).await?)
    }
}

/// The owner of a reservation.
fn owner(v: &mut Violations, owner_id: &str) -> Option<String> {
    v.text("owner_id", owner_id, 1..=128)
}

/// SKU and location of a request about one stock row, which staff may only change in their own stores.
fn stock_row(call: &Call, sku: &str, location_id: &str, mut v: Violations) -> Result<(String, String), Error> {
    let sku = check::sku(&mut v, "sku", sku);
    let location_id = check::slug(&mut v, "location_id", location_id);
    let (sku, location_id) = v.finish_with((sku, location_id))?;
    let identity = call.identity();
    if call.caller.service.is_none() && identity.audience() == Audience::Staff && !identity.works_at(&location_id) {
        return Err(Error::ForeignStore(location_id));
    }
    Ok((sku, location_id))
}

/// A partner counts at the locations of its own account; another location does not exist for it.
async fn owned(tx: &mut Tx, call: &Call, location_id: &str) -> Result<(), Error> {
    if call.caller.service.is_some() || call.identity().audience() != Audience::Partner {
        return Ok(());
    }
    let location = locations::find(tx, location_id).await?.map(|(location, _)| location);
    match location.filter(|location| is_own(call, &location.account_id)) {
        Some(_) => Ok(()),
        None => Err(Error::NotFound("location", location_id.to_owned())),
    }
}

/// Whether that channel account is the calling partner's. No account is nobody's.
fn is_own(call: &Call, account_id: &str) -> bool {
    let identity = call.identity();
    let own = identity.account.as_deref().filter(|account| !account.is_empty());
    identity.audience() == Audience::Partner && own == Some(account_id)
}

/// A product as the caller may know it: partners see general prices and those of their own channel.
fn shown_to(call: &Call, mut product: proto::Product) -> proto::Product {
    let identity = call.identity();
    if call.caller.service.is_none() && identity.audience() == Audience::Partner {
        product
            .prices
            .retain(|price| price.channel == i32::from(Channel::Unspecified) || price.channel == identity.channel);
    }
    product
}

/// Whether the caller sees all parts of stock in any channel: staff, back-ends and the mesh, not customers.
fn is_back_office(call: &Call) -> bool {
    call.caller.service.is_some()
        || !matches!(call.identity().audience(), Audience::Anonymous | Audience::Customer | Audience::Partner)
}

/// What a part of a request to release or commit names.
fn parts(
    owner_id: &str,
    allocations: &[proto::Allocation],
    request_id: &str,
) -> Result<(String, Vec<crate::domain::reservation::Part>), Fault> {
    let mut v = Violations::new();
    let owner_id = owner(&mut v, owner_id);
    v.check("allocations", allocations.len() <= 500, "must be at most 500");
    let needed = !allocations.is_empty();
    v.check(
        "request_id",
        !needed || (1..=128).contains(&request_id.len()),
        "must be given with allocations: 1 to 128 characters",
    );
    for allocation in allocations {
        v.text("allocations.line_id", &allocation.line_id, 1..=128);
        v.range("allocations.quantity", allocation.quantity, 1..=1_000_000);
    }
    let (owner_id,) = v.finish_with((owner_id,))?;
    let part = |allocation: &proto::Allocation| crate::domain::reservation::Part {
        line_id: allocation.line_id.clone(),
        location_id: allocation.location_id.clone(),
        quantity: allocation.quantity,
    };
    Ok((owner_id, allocations.iter().map(part).collect()))
}
