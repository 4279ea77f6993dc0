//! The stand-in, as the suite plays with it.

use axum::Router;
use omnimesh_connector_sdk::{
    conformance::{Placed, Stage},
    sandbox::Faults,
    signature::basic_header,
};
use omnimesh_proto::connectors::v1::{NativeLine, OrderRef, WebhookHeader};
use omnimesh_trendyol::sandbox::{API_KEY, API_SECRET, Package, SELLER, Sandbox};
use serde_json::json;

const WEBHOOK_USER: &str = "omnimesh";
const WEBHOOK_PASSWORD: &str = "çok-gizli-şifre";

/// Trendyol's stand-in.
#[derive(Default)]
pub(crate) struct Stand(pub(crate) Sandbox);

pub(crate) fn order_of(package: &Package) -> OrderRef {
    OrderRef { native_id: package.id.to_string(), group_id: package.order_number.clone() }
}

pub(crate) fn lines_of(package: &Package) -> Vec<NativeLine> {
    let line = |line: &omnimesh_trendyol::sandbox::Line| NativeLine {
        native_id: line.id.to_string(),
        quantity: line.quantity,
    };
    package.lines.iter().map(line).collect()
}

fn id(order: &OrderRef) -> u64 {
    order.native_id.parse().unwrap()
}

impl Stage for Stand {
    fn router(&self) -> Router {
        self.0.router()
    }

    fn faults(&self) -> &Faults {
        self.0.faults()
    }

    fn fields(&self, url: &str) -> Vec<(&'static str, String)> {
        [
            ("seller_id", SELLER),
            ("api_key", API_KEY),
            ("api_secret", API_SECRET),
            ("base_url", url),
            ("webhook_username", WEBHOOK_USER),
            ("webhook_password", WEBHOOK_PASSWORD),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .to_vec()
    }

    fn secrets(&self) -> Vec<String> {
        let basic = basic_header(API_KEY, API_SECRET).replace("Basic ", "");
        let wrong = basic_header(API_KEY, "guessed-by-somebody").replace("Basic ", "");
        vec![API_KEY.to_owned(), API_SECRET.to_owned(), WEBHOOK_PASSWORD.to_owned(), basic, wrong]
    }

    fn decisive_field(&self) -> &'static str {
        "api_secret"
    }

    fn place(&self) -> Placed {
        let package = self.0.place();
        Placed { order: order_of(&package), lines: lines_of(&package), text: "Yağmur 🌷".to_owned() }
    }

    fn touch(&self, order: &OrderRef) {
        self.0.change(id(order), |_| {});
    }

    fn place_strange(&self) -> (OrderRef, String) {
        let package = self.0.place();
        self.0.change(package.id, |package| {
            package.status = "BeamedUp".to_owned();
            package.extra.insert("newField".to_owned(), json!({ "deep": [1, { "er": null }] }));
        });
        (order_of(&package), "BeamedUp".to_owned())
    }

    fn acknowledged(&self, order: &OrderRef) -> usize {
        self.0.package(id(order)).unwrap().picked
    }

    fn refused_item(&self) -> String {
        "unknown-1".to_owned()
    }

    fn webhook(&self, order: &OrderRef, proved: bool) -> (Vec<WebhookHeader>, Vec<u8>) {
        let password = if proved { WEBHOOK_PASSWORD } else { "another" };
        let value = basic_header(WEBHOOK_USER, password).into_bytes();
        let header = WebhookHeader { name: "authorization".to_owned(), value };
        (vec![header], self.0.webhook_body(id(order)).into_bytes())
    }
}
