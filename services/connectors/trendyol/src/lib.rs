//! Trendyol as a connector: its packages, claims, stock and prices in the mesh's words.
//!
//! The unit is the package, not the order: a split or a cancellation in part destroys a package and makes others under the
//! same order number. Two generations of field names are live, and each answer may have either. Webhooks are not signed, so
//! each is a hint that a pull confirms. `sandbox` is a stand-in of the vendor.

mod account;
mod claims;
mod error;
mod inventory;
mod map;
mod orders;
mod packages;
pub mod sandbox;
mod webhook;
mod window;
mod wire;

use http::StatusCode;
use omnimesh_connector_sdk::{
    AcknowledgeOrder, ApproveReturn, CancelLines, ConnectorDeps, Failure, Fields, Flow, GetOperation, Kind, Manifest,
    PullOrders, PullReturns, PushPrice, PushShipment, PushStock, RejectReturn, Reply, Request, Vendor, Webhook, routes,
};
use omnimesh_kit::config;
use omnimesh_proto::connectors::v1::{CheckVerdict, Delivery};
use tonic::service::Routes;

use account::Account;

/// The target, and the section of the settings.
pub const NAME: &str = "trendyol";

/// The connector's gRPC server.
///
/// # Errors
/// If its section of the settings can't be used; names the key.
pub fn build(deps: ConnectorDeps) -> Result<Routes, config::Error> {
    routes(Trendyol::default(), deps)
}

/// The vendor.
#[derive(Debug)]
struct Trendyol {
    manifest: Manifest,
}

impl Default for Trendyol {
    fn default() -> Self {
        let manifest =
            Manifest { vendor: NAME, api_version: "v2", delivery: Delivery::Both, fields: account::fields() };
        Self { manifest }
    }
}

impl Vendor for Trendyol {
    type Account = Account;

    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn account(&self, fields: &Fields) -> Result<Account, (String, String)> {
        Account::new(fields)
    }

    fn seller(&self, account: &Account) -> String {
        account.seller_id().to_owned()
    }

    fn check(&self, account: &Account) -> Result<Request, Failure> {
        orders::smallest(account)
    }

    fn verdict(&self, account: &Account, failure: &Failure) -> CheckVerdict {
        match failure.kind {
            Kind::Auth => CheckVerdict::AuthFailed,
            // So its stage answers addresses that are not on its list.
            Kind::Temporary if account.is_stage() && failure.status == Some(StatusCode::SERVICE_UNAVAILABLE) => {
                CheckVerdict::IpNotAllowed
            }
            Kind::Forbidden => CheckVerdict::ForbiddenScope,
            _ => CheckVerdict::Unreachable,
        }
    }

    fn failure(&self, reply: &Reply) -> Failure {
        error::failure(reply)
    }

    fn webhook(&self) -> Option<&dyn Webhook<Account>> {
        Some(self)
    }

    fn pull_orders(&self) -> Option<&dyn Flow<PullOrders, Account>> {
        Some(self)
    }

    fn acknowledge_order(&self) -> Option<&dyn Flow<AcknowledgeOrder, Account>> {
        Some(self)
    }

    fn push_shipment(&self) -> Option<&dyn Flow<PushShipment, Account>> {
        Some(self)
    }

    fn cancel_lines(&self) -> Option<&dyn Flow<CancelLines, Account>> {
        Some(self)
    }

    fn pull_returns(&self) -> Option<&dyn Flow<PullReturns, Account>> {
        Some(self)
    }

    fn approve_return(&self) -> Option<&dyn Flow<ApproveReturn, Account>> {
        Some(self)
    }

    fn reject_return(&self) -> Option<&dyn Flow<RejectReturn, Account>> {
        Some(self)
    }

    fn push_stock(&self) -> Option<&dyn Flow<PushStock, Account>> {
        Some(self)
    }

    fn push_price(&self) -> Option<&dyn Flow<PushPrice, Account>> {
        Some(self)
    }

    fn get_operation(&self) -> Option<&dyn Flow<GetOperation, Account>> {
        Some(self)
    }
}
