//! What lines cost.

use std::time::Duration;

use omnimesh_kit::testing::{BACKENDS, START};
use omnimesh_proto::{
    catalog::v1::{
        ChannelSettings, ListChannelSettingsRequest, ListTaxRatesRequest, Price, PriceLinesRequest, PriceLinesResponse,
        Product, SetChannelSettingsRequest, SetTaxRatesRequest, TaxRate,
    },
    common::v1::Channel,
};

use crate::mesh::{Mesh, admin, lira, orders, stocked};

async fn price(mesh: &Mesh, channel: Channel, currency: &str, country: &str, skus: &[&str]) -> PriceLinesResponse {
    let request = PriceLinesRequest {
        channel: channel.into(),
        currency_code: currency.to_owned(),
        country_code: country.to_owned(),
        skus: skus.iter().map(|sku| (*sku).to_owned()).collect(),
    };
    mesh.catalog(&orders()).price_lines(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn prices_and_rates_follow_channel_currency_and_country() {
    for backend in BACKENDS {
        let mesh = stocked(backend).await;
        let skus = ["TEA-RIZE-500", "nothing", "BOOK-MADONNA", "GIFT-WRAP", "TEA-RIZE-500"];
        let web = price(&mesh, Channel::Web, "TRY", "TR", &skus).await;
        let shown: Vec<_> =
            web.prices.iter().map(|line| (line.sku.as_str(), line.sellable, line.tax_rate_ppm)).collect();
        assert_eq!(
            shown,
            [
                ("TEA-RIZE-500", true, 10_000),
                ("nothing", false, 0),
                ("BOOK-MADONNA", true, 0),
                ("GIFT-WRAP", true, 200_000),
                ("TEA-RIZE-500", true, 10_000)
            ]
        );
        assert_eq!(web.prices[0].unit_price.as_ref().map(|money| (money.units, money.nanos)), Some((189, 900_000_000)));
        assert_eq!(web.prices[1].reason, "the SKU is not known");
        assert!(web.prices[0].stock_counted && !web.prices[3].stock_counted && web.prices_include_tax);
        assert_eq!(web.expire_time, Some(START.plus(Duration::from_secs(600)).to_proto()));

        let app = price(&mesh, Channel::App, "TRY", "DE", &["TEA-RIZE-500"]).await;
        assert_eq!(app.prices[0].unit_price.as_ref().map(|money| money.units), Some(169));
        assert_eq!(app.prices[0].tax_rate_ppm, 70_000);
        let yen = price(&mesh, Channel::Web, "JPY", "", &["TEA-RIZE-500"]).await;
        assert!(!yen.prices[0].sellable && yen.prices[0].unit_price.is_none());
        assert_eq!(yen.prices[0].reason, "the product has no price in JPY in this channel");
        assert_eq!(yen.prices[0].tax_rate_ppm, 0);
    }
}

#[tokio::test]
async fn prices_and_rates_change_at_their_time_and_not_before() {
    for backend in BACKENDS {
        let mesh = stocked(backend).await;
        let in_a_minute = START.plus(Duration::from_secs(60));
        let in_two = START.plus(Duration::from_secs(120));
        let sale = Product {
            sku: "SALE".to_owned(),
            name: "Sale".to_owned(),
            tax_category: "toys".to_owned(),
            prices: vec![
                Price { amount: lira(10), ..Price::default() },
                Price {
                    amount: lira(7),
                    start_time: Some(in_a_minute.to_proto()),
                    end_time: Some(in_two.to_proto()),
                    channel: 0,
                },
            ],
            ..Product::default()
        };
        mesh.import(vec![sale.clone()]).await;
        let rate = |category: &str, rate_ppm, start| TaxRate {
            country_code: "TR".to_owned(),
            tax_category: category.to_owned(),
            rate_ppm,
            start_time: start,
        };
        let rates = vec![rate("toys", 50_000, Some(in_two.to_proto())), rate("toys", 60_000, Some(in_two.to_proto()))];
        let request = SetTaxRatesRequest { tax_rates: rates, ..SetTaxRatesRequest::default() };
        mesh.catalog(&admin()).set_tax_rates(request).await.unwrap();

        let now = || async {
            let priced = price(&mesh, Channel::Web, "TRY", "TR", &["SALE"]).await;
            let units = priced.prices[0].unit_price.as_ref().unwrap().units;
            (units, priced.prices[0].tax_rate_ppm, priced.expire_time.unwrap())
        };
        // Toys have no rate of their own yet: the standard one holds.
        assert_eq!(now().await, (10, 200_000, in_a_minute.to_proto()));
        mesh.db.clock.advance(Duration::from_secs(60));
        assert_eq!(now().await, (7, 200_000, in_two.to_proto()));
        mesh.db.clock.advance(Duration::from_secs(60));
        assert_eq!(now().await, (10, 60_000, in_two.plus(Duration::from_secs(600)).to_proto()));

        mesh.import(vec![Product { discontinued: true, ..sale }]).await;
        let priced = price(&mesh, Channel::Web, "TRY", "TR", &["SALE"]).await;
        assert_eq!((priced.prices[0].sellable, priced.prices[0].reason.as_str()), (false, "the product is withdrawn"));
    }
}

#[tokio::test]
async fn settings_and_rates_read_back_as_set() {
    for backend in BACKENDS {
        let mesh = stocked(backend).await;
        let net =
            ChannelSettings { channel: Channel::Partner.into(), prices_include_tax: false, location_ids: Vec::new() };
        let request =
            SetChannelSettingsRequest { settings: Some(net.clone()), request_id: uuid::Uuid::from_u128(9).to_string() };
        let first = mesh.catalog(&admin()).set_channel_settings(request.clone()).await.unwrap();
        assert!(first.metadata().get("omnimesh-replayed").is_none());
        let again = mesh.catalog(&admin()).set_channel_settings(request).await.unwrap();
        assert_eq!(again.metadata().get("omnimesh-replayed").unwrap(), "true");
        assert!(!price(&mesh, Channel::Partner, "TRY", "TR", &["nothing"]).await.prices_include_tax);
        assert!(price(&mesh, Channel::Email, "TRY", "TR", &["nothing"]).await.prices_include_tax);

        let listed =
            mesh.catalog(&admin()).list_channel_settings(ListChannelSettingsRequest {}).await.unwrap().into_inner();
        assert_eq!(listed.settings.len(), 8);
        assert_eq!(listed.settings.last(), Some(&net));
        let request = ListTaxRatesRequest { country_code: "DE".to_owned() };
        let rates = mesh.catalog(&admin()).list_tax_rates(request).await.unwrap().into_inner().tax_rates;
        let rates: Vec<_> = rates.iter().map(|rate| (rate.tax_category.as_str(), rate.rate_ppm)).collect();
        assert_eq!(rates, [("books", 70_000), ("reduced", 70_000), ("standard", 190_000)]);
    }
}
