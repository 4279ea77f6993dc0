//! The demo catalog, stores and shipping methods: for the first start in development, and for the tour.

use anyhow::{Context as _, Result};
use omnimesh_kit::{clock::Clock, ids::uuid_v7};
use omnimesh_proto::{
    carts::v1::{
        UpsertCouponRequest, UpsertShippingMethodRequest, coupon_service_client::CouponServiceClient,
        shipping_service_client::ShippingServiceClient,
    },
    catalog::v1::{
        ImportOutcome, ImportProductsRequest, SetChannelSettingsRequest, SetTaxRatesRequest, UpsertLocationRequest,
        catalog_service_client::CatalogServiceClient, location_service_client::LocationServiceClient,
        stock_service_client::StockServiceClient,
    },
};

use crate::client::Client;

/// Loads the demo data; what is there already is replaced by the same. Stock is set to what the demo starts with.
///
/// # Errors
/// If the mesh refuses something.
pub async fn load(client: &Client) -> Result<()> {
    let (channel, request_id) = (client.channel(), || uuid_v7(Clock::System.now()).to_string());

    let mut catalog = CatalogServiceClient::new(channel.clone());
    let products: Vec<_> = omnimesh_catalog::demo::products()
        .into_iter()
        .map(|product| ImportProductsRequest { product: Some(product) })
        .collect();
    let answers = catalog.import_products(client.request(tokio_stream::iter(products))).await?;
    let mut answers = answers.into_inner();
    while let Some(answer) = answers.message().await? {
        if answer.outcome() == ImportOutcome::Refused {
            return Err(anyhow::anyhow!("product {}: {}", answer.sku, answer.refusal));
        }
    }
    let tax_rates = omnimesh_catalog::demo::tax_rates();
    catalog.set_tax_rates(client.request(SetTaxRatesRequest { tax_rates, request_id: request_id() })).await?;

    let mut locations = LocationServiceClient::new(channel.clone());
    for location in omnimesh_catalog::demo::locations() {
        let id = location.location_id.clone();
        let request = UpsertLocationRequest { location: Some(location), request_id: request_id() };
        locations.upsert_location(client.request(request)).await.with_context(|| format!("location {id}"))?;
    }
    for settings in omnimesh_catalog::demo::channel_settings() {
        let request = SetChannelSettingsRequest { settings: Some(settings), request_id: request_id() };
        catalog.set_channel_settings(client.request(request)).await?;
    }
    let mut stock = StockServiceClient::new(channel.clone());
    for mut level in omnimesh_catalog::demo::stock() {
        level.request_id = request_id();
        let sku = level.sku.clone();
        stock.set_stock(client.request(level)).await.with_context(|| format!("stock of {sku}"))?;
    }

    let mut shipping = ShippingServiceClient::new(channel.clone());
    for method in omnimesh_carts::demo::shipping_methods() {
        let request = UpsertShippingMethodRequest { shipping_method: Some(method), request_id: request_id() };
        shipping.upsert_shipping_method(client.request(request)).await?;
    }
    let mut coupons = CouponServiceClient::new(channel);
    for coupon in omnimesh_carts::demo::coupons() {
        let request = UpsertCouponRequest { coupon: Some(coupon), request_id: request_id() };
        coupons.upsert_coupon(client.request(request)).await?;
    }
    Ok(())
}
