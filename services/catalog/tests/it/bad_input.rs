//! Bad input: each case gets its code, its reason and the field that is wrong.

use omnimesh_catalog::demo::{ANKARA, ISTANBUL};
use omnimesh_kit::testing::BACKENDS;
use omnimesh_proto::{
    catalog::v1::{
        AdjustStockRequest, Allocation, ChannelSettings, ConfirmRequest, GetAvailabilityRequest, GetLocationRequest,
        ListLocationsRequest, ListProductsRequest, Location, OpeningHours, PriceLinesRequest, ReleaseRequest,
        ReserveRequest, SetChannelSettingsRequest, SetStockRequest, SetTaxRatesRequest, TaxRate, UpsertLocationRequest,
    },
    common::v1::Coordinates,
};
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

use crate::mesh::{admin, line, orders, reason, stocked};

fn told<T: std::fmt::Debug>(answer: Result<Response<T>, Status>) -> (Code, String, String) {
    let status = answer.unwrap_err();
    let field =
        status.get_details_bad_request().and_then(|bad| bad.field_violations.first().map(|wrong| wrong.field.clone()));
    (status.code(), reason(&status), field.unwrap_or_default())
}

#[tokio::test]
async fn every_case_gets_its_code_and_reason() {
    for backend in BACKENDS {
        let mesh = stocked(backend).await;
        let invalid = |field: &str| (Code::InvalidArgument, "INVALID_REQUEST".to_owned(), field.to_owned());
        let missing = || (Code::NotFound, "NOT_FOUND".to_owned(), String::new());

        let count = SetStockRequest {
            sku: "TEA-RIZE-500".to_owned(),
            location_id: ANKARA.to_owned(),
            on_hand: 1,
            ..SetStockRequest::default()
        };
        let set = async |request| told(mesh.stock(&admin()).set_stock(request).await);
        assert_eq!(set(SetStockRequest { on_hand: -1, ..count.clone() }).await, invalid("on_hand"));
        assert_eq!(set(SetStockRequest { safety: Some(-1), ..count.clone() }).await, invalid("safety"));
        assert_eq!(set(SetStockRequest { sku: String::new(), ..count.clone() }).await, invalid("sku"));
        assert_eq!(
            set(SetStockRequest { location_id: "No Slug".to_owned(), ..count.clone() }).await,
            invalid("location_id")
        );
        assert_eq!(set(SetStockRequest { request_id: "7".to_owned(), ..count.clone() }).await, invalid("request_id"));
        assert_eq!(set(SetStockRequest { sku: "tea-rize-500".to_owned(), ..count.clone() }).await, missing());
        assert_eq!(set(SetStockRequest { location_id: "nowhere".to_owned(), ..count.clone() }).await, missing());
        let stale = mesh.stock(&admin()).set_stock(SetStockRequest { expected_version: 9, ..count }).await.unwrap_err();
        assert_eq!((stale.code(), reason(&stale)), (Code::Aborted, "VERSION_MISMATCH".to_owned()));
        assert_eq!(stale.get_details_error_info().unwrap().metadata["current_version"], "1");

        let adjust = AdjustStockRequest {
            sku: "TEA-RIZE-500".to_owned(),
            location_id: ANKARA.to_owned(),
            reason: "damage".to_owned(),
            ..AdjustStockRequest::default()
        };
        assert_eq!(told(mesh.stock(&admin()).adjust_stock(adjust.clone()).await), invalid("delta"));
        let unreasoned = AdjustStockRequest { delta: 1, reason: String::new(), ..adjust };
        assert_eq!(told(mesh.stock(&admin()).adjust_stock(unreasoned).await), invalid("reason"));

        let reserve = async |lines, expire_time| {
            let request = ReserveRequest { owner_id: "o".to_owned(), lines, expire_time, ..ReserveRequest::default() };
            told(mesh.stock(&orders()).reserve(request).await)
        };
        let past = prost_types::Timestamp { seconds: 1, nanos: 0 };
        assert_eq!(reserve(vec![], None).await, invalid("lines"));
        assert_eq!(reserve(vec![line("1", "COFFEE-250", 0, "")], None).await, invalid("lines[0].quantity"));
        assert_eq!(reserve(vec![line("1", "COFFEE-250", -5, "")], None).await, invalid("lines[0].quantity"));
        assert_eq!(
            reserve(vec![line("1", "COFFEE-250", 1, ""), line("1", "COFFEE-250", 1, "")], None).await,
            invalid("lines[1].line_id")
        );
        assert_eq!(reserve(vec![line("1", "COFFEE-250", 1, "")], Some(past)).await, invalid("expire_time"));
        assert_eq!(reserve(vec![line("1", "nothing", 1, "")], None).await, missing());
        let lost = (Code::FailedPrecondition, "OUT_OF_STOCK".to_owned(), String::new());
        assert_eq!(reserve(vec![line("1", "KILIM-ANATOLIA", 1, ANKARA)], None).await, lost);
        assert_eq!(told(mesh.stock(&orders()).confirm(ConfirmRequest { owner_id: "o".to_owned() }).await), missing());
        let part = Allocation {
            line_id: "1".to_owned(),
            location_id: ISTANBUL.to_owned(),
            quantity: 1,
            ..Allocation::default()
        };
        let unnamed = ReleaseRequest { owner_id: "o".to_owned(), allocations: vec![part], ..ReleaseRequest::default() };
        assert_eq!(told(mesh.stock(&orders()).release(unnamed.clone()).await), invalid("request_id"));
        let named = ReleaseRequest { request_id: "a".to_owned(), ..unnamed };
        assert_eq!(told(mesh.stock(&orders()).release(named).await), missing());
        assert_eq!(
            told(mesh.stock(&admin()).get_availability(GetAvailabilityRequest::default()).await),
            invalid("skus")
        );

        let price = |currency: &str, skus: usize| PriceLinesRequest {
            currency_code: currency.to_owned(),
            skus: vec!["COFFEE-250".to_owned(); skus],
            ..PriceLinesRequest::default()
        };
        assert_eq!(told(mesh.catalog(&orders()).price_lines(price("TL", 1)).await), invalid("currency_code"));
        assert_eq!(told(mesh.catalog(&orders()).price_lines(price("TRY", 501)).await), invalid("skus"));
        // Only services of the mesh ask.
        let denied = (Code::PermissionDenied, "AUDIENCE_DENIED".to_owned(), String::new());
        assert_eq!(told(mesh.catalog(&admin()).price_lines(price("TRY", 1)).await), denied);

        let size = ListProductsRequest { page_size: -1, ..ListProductsRequest::default() };
        assert_eq!(told(mesh.catalog(&admin()).list_products(size).await), invalid("page_size"));
        let token = ListProductsRequest { page_token: "junk".to_owned(), ..ListProductsRequest::default() };
        assert_eq!(
            told(mesh.catalog(&admin()).list_products(token).await),
            (Code::InvalidArgument, "INVALID_PAGE_TOKEN".to_owned(), "page_token".to_owned())
        );
        let rate = TaxRate { country_code: "tr".to_owned(), rate_ppm: 1, ..TaxRate::default() };
        let rates = SetTaxRatesRequest { tax_rates: vec![rate], ..SetTaxRatesRequest::default() };
        assert_eq!(told(mesh.catalog(&admin()).set_tax_rates(rates).await), invalid("tax_rates[0].country_code"));
        let settings = |channel, ids: &[&str]| SetChannelSettingsRequest {
            settings: Some(ChannelSettings {
                channel,
                location_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
                ..ChannelSettings::default()
            }),
            ..SetChannelSettingsRequest::default()
        };
        assert_eq!(
            told(mesh.catalog(&admin()).set_channel_settings(settings(0, &[])).await),
            invalid("settings.channel")
        );
        assert_eq!(told(mesh.catalog(&admin()).set_channel_settings(settings(1, &["nowhere"])).await), missing());

        let north = Some(Coordinates { latitude: 91.0, longitude: f64::NAN });
        let far = ListLocationsRequest { near: north, ..ListLocationsRequest::default() };
        assert_eq!(told(mesh.locations(&admin()).list_locations(far).await), invalid("near"));
        let nowhere = GetLocationRequest { location_id: "nowhere".to_owned() };
        assert_eq!(told(mesh.locations(&admin()).get_location(nowhere).await), missing());
        let store = omnimesh_catalog::demo::locations().remove(0);
        let upsert = async |location| {
            let request = UpsertLocationRequest { location, ..UpsertLocationRequest::default() };
            told(mesh.locations(&admin()).upsert_location(request).await)
        };
        assert_eq!(upsert(None).await, invalid("location"));
        assert_eq!(
            upsert(Some(Location { time_zone: "GMT+3".to_owned(), ..store.clone() })).await,
            invalid("location.time_zone")
        );
        assert_eq!(upsert(Some(Location { address: None, ..store.clone() })).await, invalid("location.address"));
        let never = OpeningHours { weekday: 8, open_minute: 0, close_minute: 60 };
        let closed = Location { opening_hours: vec![never], ..store };
        assert_eq!(upsert(Some(closed)).await, invalid("location.opening_hours[0].weekday"));
    }
}
