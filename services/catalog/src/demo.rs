//! A small catalog for the first start of a mesh: what a newcomer tries things with. Loaded through the RPCs.

use omnimesh_proto::{
    catalog::v1::{ChannelSettings, Location, OpeningHours, Price, Product, SetStockRequest, TaxRate},
    common::v1::{Address, Channel, Coordinates, Money},
};

/// A store in Istanbul.
pub const ISTANBUL: &str = "istanbul-kadikoy";
/// A store in Ankara.
pub const ANKARA: &str = "ankara-kizilay";
/// A store in Izmir.
pub const IZMIR: &str = "izmir-alsancak";
/// A warehouse that ships, where nobody collects.
pub const WAREHOUSE: &str = "gebze-warehouse";

/// SKU, name, description, TRY and EUR in hundredths, tax category.
type Row = (&'static str, &'static str, &'static str, i64, i64, &'static str);

const PRODUCTS: &[Row] = &[
    ("TEA-RIZE-500", "Rize Çayı 500 g", "Black tea from Rize, loose leaf", 18_990, 649, "reduced"),
    ("TEA-GLASS-6", "İnce Belli Çay Bardağı, 6'lı", "Six tulip-shaped tea glasses", 34_900, 1_290, "standard"),
    ("TEAPOT-2L", "Çelik Çaydanlık 2 L", "A double teapot of stainless steel", 129_900, 3_990, "standard"),
    ("COFFEE-250", "Türk Kahvesi 250 g", "Turkish coffee, finely ground", 21_500, 790, "reduced"),
    ("CEZVE-COPPER", "Bakır Cezve", "A hand-hammered copper pot for coffee", 74_900, 2_490, "standard"),
    ("LOKUM-500", "Lokum, Gül ve Fıstık 500 g", "Turkish delight with rose and pistachio", 27_500, 990, "reduced"),
    ("TOWEL-PESHTEMAL", "Peştemal 90 × 180 cm", "A light towel of Denizli cotton", 49_900, 1_990, "standard"),
    ("SOAP-OLIVE-4", "Zeytinyağlı Sabun, 4'lü", "Four bars of olive oil soap", 15_900, 590, "standard"),
    ("BOOK-MADONNA", "Kürk Mantolu Madonna", "A novel by Sabahattin Ali, paperback", 9_900, 890, "books"),
    ("BOOK-TUTUNAMAYANLAR", "Tutunamayanlar", "A novel by Oğuz Atay, paperback", 32_000, 1_990, "books"),
    ("KILIM-ANATOLIA", "Anadolu Kilimi 120 × 180 cm", "A woven rug, one of a kind", 899_000, 24_900, "standard"),
    ("GIFT-WRAP", "Hediye Paketi", "Gift wrapping with a card", 2_500, 250, "standard"),
];

fn cents(currency: &str, amount: i64) -> Option<Money> {
    let nanos = i32::try_from(amount % 100).unwrap_or_default() * 10_000_000;
    Some(Money { currency_code: currency.to_owned(), units: amount / 100, nanos })
}

/// Twelve products in TRY and EUR. Tea costs less in the app; the rug is sold in stores only at its store price.
#[must_use]
pub fn products() -> Vec<Product> {
    let products = PRODUCTS.iter().map(|(sku, name, description, lira, euro, tax_category)| {
        let price = |currency, amount, channel: Channel| Price {
            amount: cents(currency, amount),
            channel: channel.into(),
            ..Price::default()
        };
        let mut prices = vec![price("TRY", *lira, Channel::Unspecified), price("EUR", *euro, Channel::Unspecified)];
        if *sku == "TEA-RIZE-500" {
            prices.push(price("TRY", 16_990, Channel::App));
        }
        if *sku == "KILIM-ANATOLIA" {
            prices.push(price("TRY", 849_000, Channel::Store));
        }
        Product {
            sku: (*sku).to_owned(),
            name: (*name).to_owned(),
            description: (*description).to_owned(),
            tax_category: (*tax_category).to_owned(),
            stock_not_counted: *sku == "GIFT-WRAP",
            prices,
            ..Product::default()
        }
    });
    products.collect()
}

/// Three stores and a warehouse.
#[must_use]
pub fn locations() -> Vec<Location> {
    let weekdays = |days: std::ops::RangeInclusive<i32>, open_minute, close_minute| {
        days.map(move |weekday| OpeningHours { weekday, open_minute, close_minute })
    };
    let store = |id: &str, name: &str, street: &str, city: &str, postal_code: &str, at: (f64, f64)| Location {
        location_id: id.to_owned(),
        name: name.to_owned(),
        address: Some(Address {
            organization: "Omnimesh Demo".to_owned(),
            lines: vec![street.to_owned()],
            city: city.to_owned(),
            postal_code: postal_code.to_owned(),
            country_code: "TR".to_owned(),
            ..Address::default()
        }),
        coordinates: Some(Coordinates { latitude: at.0, longitude: at.1 }),
        time_zone: "Europe/Istanbul".to_owned(),
        opening_hours: weekdays(1..=6, 600, 1_320).chain(weekdays(7..=7, 660, 1_260)).collect(),
        offers_pickup: true,
        ships: true,
        ..Location::default()
    };
    vec![
        store(ISTANBUL, "İstanbul Kadıköy", "Bahariye Caddesi 42", "İstanbul", "34710", (40.9869, 29.0265)),
        store(ANKARA, "Ankara Kızılay", "Atatürk Bulvarı 96", "Ankara", "06420", (39.9208, 32.8541)),
        store(IZMIR, "İzmir Alsancak", "Kıbrıs Şehitleri Caddesi 18", "İzmir", "35220", (38.4380, 27.1428)),
        Location {
            opening_hours: weekdays(1..=5, 480, 1_080).collect(),
            offers_pickup: false,
            ..store(WAREHOUSE, "Gebze Depo", "Organize Sanayi 7. Sokak 3", "Kocaeli", "41400", (40.8028, 29.4307))
        },
    ]
}

/// Tax rates of Turkey and Germany, as they stood in 2025.
#[must_use]
pub fn tax_rates() -> Vec<TaxRate> {
    let rates = [
        ("TR", "standard", 200_000),
        ("TR", "reduced", 10_000),
        ("TR", "books", 0),
        ("DE", "standard", 190_000),
        ("DE", "reduced", 70_000),
        ("DE", "books", 70_000),
    ];
    let rates = rates.into_iter().map(|(country, category, rate_ppm)| TaxRate {
        country_code: country.to_owned(),
        tax_category: category.to_owned(),
        rate_ppm,
        start_time: None,
    });
    rates.collect()
}

/// Web, app, social media, chat and call centre ship from the warehouse first and offer every store; stores and kiosks sell from
/// the stores first. All prices include tax.
#[must_use]
pub fn channel_settings() -> Vec<ChannelSettings> {
    let remote = [WAREHOUSE, ISTANBUL, ANKARA, IZMIR];
    let stores = [ISTANBUL, ANKARA, IZMIR, WAREHOUSE];
    let settings = |channel: Channel, locations: [&str; 4]| ChannelSettings {
        channel: channel.into(),
        prices_include_tax: true,
        location_ids: locations.into_iter().map(str::to_owned).collect(),
    };
    vec![
        settings(Channel::Web, remote),
        settings(Channel::App, remote),
        settings(Channel::Social, remote),
        settings(Channel::Chat, remote),
        settings(Channel::CallCenter, remote),
        settings(Channel::Store, stores),
        settings(Channel::Kiosk, stores),
    ]
}

/// What lies where. The rug lies in Istanbul only; Ankara keeps two pots that are never sold.
#[must_use]
pub fn stock() -> Vec<SetStockRequest> {
    let level = |sku: &str, location: &str, on_hand, safety| SetStockRequest {
        sku: sku.to_owned(),
        location_id: location.to_owned(),
        on_hand,
        safety,
        ..SetStockRequest::default()
    };
    let mut levels = Vec::new();
    for (sku, ..) in PRODUCTS.iter().filter(|(sku, ..)| !matches!(*sku, "GIFT-WRAP" | "KILIM-ANATOLIA")) {
        levels.push(level(sku, WAREHOUSE, 200, None));
        levels.push(level(sku, ISTANBUL, 25, None));
        levels.push(level(sku, ANKARA, 15, (*sku == "CEZVE-COPPER").then_some(2)));
        levels.push(level(sku, IZMIR, 10, None));
    }
    levels.push(level("KILIM-ANATOLIA", ISTANBUL, 3, None));
    levels
}
