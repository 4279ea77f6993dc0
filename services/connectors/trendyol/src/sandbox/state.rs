//! What the stand-in knows, and how it changes.

use std::collections::BTreeMap;

use omnimesh_kit::clock::Clock;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Above 2^53, as some of Trendyol's ids are.
const FIRST_ID: u64 = 9_007_199_254_740_993;
const TURKIYE_MILLIS: i64 = 3 * 3_600_000;
const GOODS: [(&str, &str, &str, i64); 3] = [
    ("8690000000012", "ÇAY-BARDAĞI-6", "İnce belli çay bardağı, 6'lı", 24_990),
    ("8690000000029", "YAĞMURLUK-M", "Şişme yağmurluk", 129_950),
    ("8690000000036", "DEFTER-A5", "Çizgisiz defter 🌷", 8_905),
];

/// Which field names Trendyol answers with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Generation {
    /// `id`, `totalPrice`, `merchantSku`.
    Older,
    /// `shipmentPackageId`, `packageTotalPrice`, `stockCode`.
    #[default]
    Newer,
}

/// A package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Package {
    /// Its id.
    pub id: u64,
    /// The order's number.
    pub order_number: String,
    /// Where it stands.
    pub status: String,
    /// `order-creation`, `cancel` or `split`.
    pub created_by: &'static str,
    /// The packages whose place it took.
    pub origins: Vec<u64>,
    /// When it changed last, milliseconds UTC.
    pub modified: i64,
    /// When the customer ordered, milliseconds UTC.
    pub ordered: i64,
    /// Its lines.
    pub lines: Vec<Line>,
    /// Its invoice.
    pub invoice_number: String,
    /// How often it was set to Picking.
    pub picked: usize,
    /// Fields that nobody knows.
    pub extra: Map<String, Value>,
}

/// A line of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its id.
    pub id: u64,
    /// The barcode.
    pub barcode: &'static str,
    /// The retailer's SKU.
    pub sku: &'static str,
    /// The name.
    pub name: &'static str,
    /// How many.
    pub quantity: i64,
    /// The price of one, in hundredths.
    pub cents: i64,
}

/// What was pushed of a product.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Listing {
    pub(super) quantity: Option<i64>,
    pub(super) sale_price: Option<String>,
}

/// A piece of a claim.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Piece {
    pub(super) id: String,
    pub(super) line: u64,
    pub(super) barcode: &'static str,
    pub(super) status: &'static str,
}

#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) id: String,
    pub(super) package: u64,
    pub(super) order_number: String,
    pub(super) date: i64,
    pub(super) pieces: Vec<Piece>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) packages: BTreeMap<u64, Package>,
    pub(super) claims: BTreeMap<String, Claim>,
    pub(super) listings: BTreeMap<String, Listing>,
    /// Batches, with the fate of each item, and how often they were asked for.
    pub(super) batches: BTreeMap<String, (Vec<Value>, u32)>,
    /// Bodies of stock and prices, and when they came.
    pub(super) bodies: Vec<(Vec<u8>, i64)>,
    pub(super) generation: Generation,
    /// Cursors of an earlier one have expired.
    pub(super) epoch: u64,
    ids: u64,
}

/// Milliseconds since 1970, UTC.
pub(super) fn now() -> i64 {
    Clock::System.now().millis()
}

/// Hundredths as a number of JSON, digit by digit.
fn decimal(cents: i64) -> Value {
    serde_json::from_str(&format!("{}.{:02}", cents / 100, cents % 100)).unwrap_or_default()
}

impl State {
    pub(super) fn id(&mut self) -> u64 {
        self.ids += 1;
        FIRST_ID + self.ids
    }

    pub(super) fn place(&mut self) -> Package {
        let number = usize::try_from(self.ids).unwrap_or_default();
        let (barcode, sku, name, cents) = GOODS.get(number % GOODS.len()).copied().unwrap_or(GOODS[0]);
        let (id, line) = (self.id(), self.id());
        let package = Package {
            id,
            order_number: format!("1065{:07}", self.ids),
            status: "Created".to_owned(),
            created_by: "order-creation",
            modified: now(),
            ordered: now(),
            lines: vec![Line { id: line, barcode, sku, name, quantity: 2, cents }],
            ..Package::default()
        };
        self.packages.insert(id, package.clone());
        package
    }

    pub(super) fn change(&mut self, id: u64, change: impl FnOnce(&mut Package)) {
        if let Some(package) = self.packages.get_mut(&id) {
            change(package);
            // Later than before, however quick two changes follow, and never in the future: a millisecond is waited for.
            while now() <= package.modified {
                std::hint::spin_loop();
            }
            package.modified = now();
        }
    }

    /// Lines leave a package: it is destroyed, and what is left of it, and what left, are packages of their own.
    pub(super) fn replace(&mut self, id: u64, created_by: &'static str, taken: &[(u64, i64)], keep_taken: bool) {
        let Some(old) = self.packages.get(&id).cloned() else { return };
        let quantity = |line: &Line| taken.iter().find(|(id, _)| *id == line.id).map_or(0, |(_, quantity)| *quantity);
        let part = |of: fn(i64, i64) -> i64| {
            let lines =
                old.lines.iter().map(|line| Line { quantity: of(line.quantity, quantity(line)), ..line.clone() });
            lines.filter(|line| line.quantity > 0).collect::<Vec<_>>()
        };
        let mut parts = vec![part(|all, taken| all - taken)];
        if keep_taken {
            parts.push(part(|_, taken| taken));
        }
        for lines in parts.into_iter().filter(|lines| !lines.is_empty()) {
            let new = self.id();
            let part =
                Package { id: new, lines, created_by, origins: vec![id], modified: now(), picked: 0, ..old.clone() };
            self.packages.insert(new, part);
        }
        let status = if keep_taken { "UnPacked" } else { "UnSupplied" };
        self.change(id, |package| package.status = status.to_owned());
    }

    /// Every package goes on its way by a step, as far as it is the carrier's.
    pub(super) fn advance(&mut self) {
        let steps = [("Invoiced", "Shipped"), ("Shipped", "Delivered")];
        let going: Vec<_> = self.packages.values().map(|package| (package.id, package.status.clone())).collect();
        for (id, status) in going {
            if let Some((_, next)) = steps.iter().find(|(from, _)| *from == status) {
                self.change(id, |package| package.status = (*next).to_owned());
            }
        }
    }

    pub(super) fn claim(&mut self, package: u64) -> Option<String> {
        let package = self.packages.get(&package)?.clone();
        let mut pieces = Vec::new();
        for line in &package.lines {
            for _ in 0..line.quantity {
                let id = format!("piece-{}", self.id());
                pieces.push(Piece { id, line: line.id, barcode: line.barcode, status: "WaitingInAction" });
            }
        }
        let id = format!("claim-{}", self.id());
        let claim =
            Claim { id: id.clone(), package: package.id, order_number: package.order_number, date: now(), pieces };
        self.claims.insert(id.clone(), claim);
        Some(id)
    }
}

impl Package {
    /// What the customer pays, in hundredths.
    fn total(&self) -> i64 {
        self.lines.iter().map(|line| line.cents * line.quantity).sum()
    }

    /// In Trendyol's JSON.
    #[must_use]
    pub fn json(&self, generation: Generation) -> Value {
        let lines: Vec<_> = self.lines.iter().map(|line| line.json(&self.status, generation)).collect();
        let address = json!({
            "firstName": "Gülşen", "lastName": "Yağmur 🌷", "address1": "Çınar Sk. No: 7", "city": "İzmir", "district": "Karşıyaka",
            "neighborhood": "Bostanlı Mah", "postalCode": "35590", "countryCode": "TR", "phone": "5550000000",
        });
        let mut all = json!({
            "orderNumber": self.order_number, "orderDate": self.ordered + TURKIYE_MILLIS, "currencyCode": "TRY",
            "agreedDeliveryDate": self.ordered + 2 * 86_400_000, "customerId": 18_446_744_073_709_551_u64,
            "customerEmail": "pf+sandbox@trendyolmail.com", "shipmentAddress": address, "invoiceAddress": address,
            "cargoProviderName": "Trendyol Express", "cargoTrackingNumber": self.id, "lines": lines,
            "packageHistories": [{ "createdDate": self.modified, "status": self.status }],
        });
        let own = match generation {
            Generation::Older => json!({
                "id": self.id, "shipmentPackageStatus": self.status, "totalPrice": decimal(self.total()),
                "grossAmount": decimal(self.total()), "totalDiscount": 0, "totalTyDiscount": 0,
            }),
            Generation::Newer => json!({
                "shipmentPackageId": self.id, "status": self.status, "packageTotalPrice": decimal(self.total()),
                "packageGrossAmount": decimal(self.total()), "packageTotalDiscount": 0, "lastModifiedDate": self.modified,
            }),
        };
        // A split is told in either generation: without it nobody could follow.
        let origin = json!({ "createdBy": self.created_by, "originPackageIds": self.origins });
        let more = [own, origin, Value::Object(self.extra.clone())];
        if let Value::Object(all) = &mut all {
            all.extend(more.into_iter().filter_map(|part| part.as_object().cloned()).flatten());
        }
        all
    }
}

impl Line {
    fn json(&self, status: &str, generation: Generation) -> Value {
        let price = decimal(self.cents);
        match generation {
            Generation::Older => json!({
                "id": self.id, "merchantSku": self.sku, "sku": self.barcode, "barcode": self.barcode, "productName": self.name,
                "quantity": self.quantity, "amount": price, "price": price, "discount": 0, "tyDiscount": 0,
                "vatBaseAmount": 20, "currencyCode": "TRY", "orderLineItemStatusName": status,
            }),
            Generation::Newer => json!({
                "lineId": self.id, "stockCode": self.sku, "barcode": self.barcode, "productName": self.name,
                "quantity": self.quantity, "lineGrossAmount": price, "lineUnitPrice": price, "lineTotalDiscount": 0,
                "vatRate": 20, "currencyCode": "TRY", "orderLineItemStatusName": status,
            }),
        }
    }
}
