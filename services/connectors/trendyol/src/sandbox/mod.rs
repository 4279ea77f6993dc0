//! A stand-in of Trendyol on this machine, to try and test with: the documented requests over real HTTP, orders that appear and
//! go their way, and faults at will.
//!
//! It keeps everything in memory. Beside the documented paths it has `POST /sandbox/orders`, `PUT
//! /sandbox/packages/{id}/status`, `POST /sandbox/claims`, `GET /sandbox/state`, `PUT /sandbox/generation` and `PUT
//! /sandbox/faults`. What the documentation does not say is the sandbox's own choice: 409 for a package that is in another
//! state, 404 for one that is not there, 400 for a cursor that has expired.

mod claims;
mod desk;
mod inventory;
mod orders;
mod packages;
mod state;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path, Request, State as Shared},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use http::{
    HeaderMap, StatusCode,
    header::{AUTHORIZATION, USER_AGENT},
};
use omnimesh_connector_sdk::{sandbox::Faults, signature::basic_header};
use serde_json::json;
use tokio::net::TcpListener;

use state::State;
pub use state::{Generation, Line, Package};

/// The seller and the credentials that it takes.
pub const SELLER: &str = "2738";
/// The key of the integration.
pub const API_KEY: &str = "sandbox-api-key";
/// Its secret.
pub const API_SECRET: &str = "sandbox-api-secret";

/// The stand-in. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Sandbox {
    state: Arc<Mutex<State>>,
    faults: Faults,
}

impl Sandbox {
    /// Answers at a listener until it is dropped. With `every`, an order appears so often and the others go on their way.
    ///
    /// # Errors
    /// If the listener fails.
    pub async fn serve(self, listener: TcpListener, every: Option<Duration>) -> std::io::Result<()> {
        let sandbox = self.clone();
        let business = async move {
            let Some(every) = every else { return std::future::pending().await };
            let mut ticks = tokio::time::interval(every);
            loop {
                ticks.tick().await;
                let mut state = sandbox.state();
                state.advance();
                state.place();
            }
        };
        tokio::select! {
            served = async { axum::serve(listener, self.router()).await } => served,
            () = business => Ok(()),
        }
    }

    /// Its paths, behind its faults.
    pub fn router(&self) -> Router {
        let seller = "/integration/order/sellers/{seller}";
        let package = format!("{seller}/shipment-packages/{{package}}");
        let vendor = Router::new()
            .route(&format!("{seller}/orders"), get(orders::pages))
            .route(&format!("{seller}/orders/stream"), get(orders::stream))
            .route(&package, put(packages::update))
            .route(&format!("{package}/items/unsupplied"), put(packages::unsupplied))
            .route(&format!("{package}/split-packages"), post(packages::split))
            .route(&format!("{seller}/claims"), get(claims::list))
            .route(&format!("{seller}/claims/{{claim}}/items/approve"), put(claims::approve))
            .route(&format!("{seller}/claims/{{claim}}/issue"), post(claims::issue))
            .route("/integration/inventory/sellers/{seller}/products/price-and-inventory", post(inventory::push))
            .route("/integration/product/sellers/{seller}/products/batch-requests/{batch}", get(inventory::batch))
            .layer(middleware::from_fn(admit))
            .with_state(self.clone());
        self.faults.around(vendor).merge(desk::router().with_state(self.clone()))
    }

    /// Its faults.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// A new package of one line of two pieces, to be acknowledged.
    #[must_use]
    pub fn place(&self) -> Package {
        self.state().place()
    }

    /// Changes a package as `change` does, and when it changed last.
    pub fn change(&self, id: u64, change: impl FnOnce(&mut Package)) {
        self.state().change(id, change);
    }

    /// A package as it is.
    #[must_use]
    pub fn package(&self, id: u64) -> Option<Package> {
        self.state().packages.get(&id).cloned()
    }

    /// Every package, oldest first.
    #[must_use]
    pub fn packages(&self) -> Vec<Package> {
        self.state().packages.values().cloned().collect()
    }

    /// A package in Trendyol's JSON, as a webhook carries it: with its state in upper case.
    #[must_use]
    pub fn webhook_body(&self, id: u64) -> String {
        let state = self.state();
        let package = state.packages.get(&id).map(|package| {
            let shouted = Package { status: package.status.to_uppercase(), ..package.clone() };
            shouted.json(state.generation)
        });
        package.unwrap_or_default().to_string()
    }

    /// A claim for every piece of a package. Its id.
    #[must_use]
    pub fn claim(&self, package: u64) -> Option<String> {
        self.state().claim(package)
    }

    /// The stock that was pushed of a barcode.
    #[must_use]
    pub fn stock(&self, barcode: &str) -> Option<i64> {
        self.state().listings.get(barcode).and_then(|listing| listing.quantity)
    }

    /// The sale price that was pushed of a barcode, as it was written.
    #[must_use]
    pub fn price(&self, barcode: &str) -> Option<String> {
        self.state().listings.get(barcode).and_then(|listing| listing.sale_price.clone())
    }

    /// Which field names it answers with.
    pub fn speak(&self, generation: Generation) {
        self.state().generation = generation;
    }

    /// Lets every cursor that it gave expire.
    pub fn expire_cursors(&self) {
        self.state().epoch += 1;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Named = Path<HashMap<String, String>>;

/// Nobody without the credentials, the user agent and the right seller.
async fn admit(Path(path): Named, request: Request, next: Next) -> Response {
    match refusal(path.get("seller"), request.headers()) {
        Some(refused) => refused,
        None => next.run(request).await,
    }
}

fn refusal(seller: Option<&String>, headers: &HeaderMap) -> Option<Response> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let given = header(AUTHORIZATION);
    if given != basic_header(API_KEY, API_SECRET) || seller.is_none_or(|seller| seller != SELLER) {
        // The vendor would not say what it was given; a connector must not count on that.
        let message = format!("not known: {given}");
        return Some(error(StatusCode::UNAUTHORIZED, "ClientApiAuthenticationException", &message));
    }
    let named = header(USER_AGENT).starts_with(&format!("{SELLER} - "));
    (!named).then(|| error(StatusCode::FORBIDDEN, "forbidden", "User-Agent"))
}

fn error(status: StatusCode, key: &str, message: &str) -> Response {
    (status, Json(json!({ "exception": key, "errors": [{ "key": key, "message": message }] }))).into_response()
}

type Stand = Shared<Sandbox>;
