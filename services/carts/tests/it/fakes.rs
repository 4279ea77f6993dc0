//! Catalog and sessions as far as carts asks them.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex},
};

use futures::Stream;
use omnimesh_kit::clock::Clock;
use omnimesh_proto::{
    catalog::v1::{catalog_service_server::CatalogService, location_service_server::LocationService, *},
    common::v1::{Address, Money},
    sessions::v1::{session_service_server::SessionService, *},
};
use tonic::{Request, Response, Status, Streaming};

/// What the fakes know and saw.
#[derive(Clone)]
pub(crate) struct Fakes {
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) clock: Clock,
}

#[derive(Default)]
pub(crate) struct State {
    /// Micro-units of TRY and EUR, by SKU.
    pub(crate) prices: BTreeMap<String, i64>,
    pub(crate) include_tax: bool,
    pub(crate) down: bool,
    pub(crate) price_calls: usize,
    pub(crate) attached: Vec<(String, String)>,
}

type Answer<T> = Result<Response<T>, Status>;
type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

macro_rules! fake {
    ($server:ident { $($absent:ident($request:ty) -> $response:ty;)* } $($more:tt)*) => {
        #[tonic::async_trait]
        impl $server for Fakes {
            $(async fn $absent(&self, _: Request<$request>) -> Result<Response<$response>, Status> {
                Err(Status::unimplemented("carts does not ask this"))
            })*
            $($more)*
        }
    };
}

fake! {
    CatalogService {
        import_products(Streaming<ImportProductsRequest>) -> Self::ImportProductsStream;
        get_product(GetProductRequest) -> GetProductResponse;
        list_products(ListProductsRequest) -> ListProductsResponse;
        set_tax_rates(SetTaxRatesRequest) -> SetTaxRatesResponse;
        set_channel_settings(SetChannelSettingsRequest) -> SetChannelSettingsResponse;
        list_channel_settings(ListChannelSettingsRequest) -> ListChannelSettingsResponse;
    }

    type ImportProductsStream = Messages<ImportProductsResponse>;

    async fn list_tax_rates(&self, request: Request<ListTaxRatesRequest>) -> Answer<ListTaxRatesResponse> {
        let country_code = request.into_inner().country_code;
        let rate = TaxRate { country_code, tax_category: "standard".to_owned(), rate_ppm: 200_000, start_time: None };
        Ok(Response::new(ListTaxRatesResponse { tax_rates: vec![rate] }))
    }

    async fn price_lines(&self, request: Request<PriceLinesRequest>) -> Answer<PriceLinesResponse> {
        let request = request.into_inner();
        let mut state = self.state.lock().unwrap();
        if state.down {
            return Err(Status::unavailable("down"));
        }
        state.price_calls += 1;
        assert!((1..=500).contains(&request.skus.len()));
        let price = |sku: &String| {
            let micros = state.prices.get(sku).copied();
            let known = micros.is_some() && ["TRY", "EUR"].contains(&request.currency_code.as_str());
            PricedSku {
                sku: sku.clone(),
                sellable: known,
                reason: if known { String::new() } else { "it is not known".to_owned() },
                name: format!("The {sku}"),
                unit_price: micros.map(|micros| Money {
                    currency_code: request.currency_code.clone(),
                    units: micros / 1_000_000,
                    nanos: i32::try_from(micros % 1_000_000 * 1_000).unwrap(),
                }),
                tax_category: "standard".to_owned(),
                tax_rate_ppm: if request.country_code.is_empty() { 0 } else { 200_000 },
                stock_counted: true,
            }
        };
        let prices = request.skus.iter().map(price).collect();
        let expire_time = self.clock.now().plus(std::time::Duration::from_secs(900)).to_proto();
        let prices_include_tax = state.include_tax;
        Ok(Response::new(PriceLinesResponse { prices, prices_include_tax, expire_time: Some(expire_time) }))
    }
}

fake! {
    LocationService {
        upsert_location(UpsertLocationRequest) -> UpsertLocationResponse;
        list_locations(ListLocationsRequest) -> ListLocationsResponse;
    }

    async fn get_location(&self, request: Request<GetLocationRequest>) -> Answer<GetLocationResponse> {
        let location_id = request.into_inner().location_id;
        if !["kadikoy", "depot"].contains(&location_id.as_str()) {
            return Err(Status::not_found("no such location"));
        }
        let offers_pickup = location_id == "kadikoy";
        let address = Some(Address { country_code: "TR".to_owned(), ..Address::default() });
        let location = Location { location_id, offers_pickup, address, ..Location::default() };
        Ok(Response::new(GetLocationResponse { location: Some(location) }))
    }
}

fake! {
    SessionService {
        start_session(StartSessionRequest) -> StartSessionResponse;
        get_session(GetSessionRequest) -> GetSessionResponse;
        start_verification(StartVerificationRequest) -> StartVerificationResponse;
        complete_verification(CompleteVerificationRequest) -> CompleteVerificationResponse;
        identify_session(IdentifySessionRequest) -> IdentifySessionResponse;
        end_session(EndSessionRequest) -> EndSessionResponse;
        watch_verifications(WatchVerificationsRequest) -> Self::WatchVerificationsStream;
        load_session(LoadSessionRequest) -> LoadSessionResponse;
        check_verified_contact(CheckVerifiedContactRequest) -> CheckVerifiedContactResponse;
    }

    type WatchVerificationsStream = Messages<WatchVerificationsResponse>;

    async fn attach_cart(&self, request: Request<AttachCartRequest>) -> Answer<AttachCartResponse> {
        let request = request.into_inner();
        self.state.lock().unwrap().attached.push((request.session_id, request.cart_id));
        Ok(Response::new(AttachCartResponse {}))
    }
}
