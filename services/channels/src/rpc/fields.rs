//! An account's credentials: what its connector lists, sealed with the account's id.

use std::collections::BTreeMap;

use omnimesh_kit::{auth::rule, call::Call, error::Fault, validate::Violations};
use omnimesh_proto::connectors::v1::{DescribeRequest, connector_service_client::ConnectorServiceClient};

use crate::{app::App, domain::AccountId, error::Error};

const PURPOSE: &str = "channel credentials";
/// Characters of a value, at the most.
const LONGEST: usize = 10_000;
const OPEN: &str = "/omnimesh.channels.v1.ChannelService/OpenCredentials";

/// Whether there is a connector of that name: those that may open credentials.
pub(super) fn is_connector(vendor: &str) -> bool {
    rule(OPEN).is_some_and(|rule| rule.services.iter().any(|service| service == vendor))
}

/// Refuses what is no account of that vendor; names the field, never a value.
pub(super) async fn check(
    app: &App,
    call: &Call,
    vendor: &str,
    fields: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let mut connector = ConnectorServiceClient::new(app.deps.links.to(vendor, call));
    let described = connector.describe(DescribeRequest {}).await.map_err(Fault::upstream)?.into_inner();
    let mut v = Violations::new();
    for (name, value) in fields {
        let field = format!("fields.{name}");
        let is_known = described.account_fields.iter().any(|known| known.name == *name);
        let known = described.account_fields.iter().map(|known| known.name.as_str()).collect::<Vec<_>>().join(", ");
        // A name that is none may be a secret in the wrong place.
        let field = if is_known { field } else { "fields".to_owned() };
        v.check(field.clone(), is_known, format!("these are accepted: {known}"));
        v.check(field, value.chars().count() <= LONGEST, format!("at most {LONGEST} characters are accepted"));
    }
    for missing in described.account_fields.iter().filter(|field| field.required) {
        let given = fields.get(&missing.name).is_some_and(|value| !value.is_empty());
        v.check(format!("fields.{}", missing.name), given, format!("must be given: {}", missing.description));
    }
    Ok(v.finish()?)
}

/// Sealed, to be kept.
pub(super) fn seal(app: &App, id: AccountId, fields: &BTreeMap<String, String>) -> Result<Vec<u8>, Error> {
    let plain = serde_json::to_vec(fields).map_err(Fault::internal)?;
    Ok(app.deps.secrets.sealer(PURPOSE).seal(id.0.as_bytes(), &plain))
}

/// As they were given.
pub(super) fn open(app: &App, id: AccountId, sealed: &[u8]) -> Result<BTreeMap<String, String>, Error> {
    let plain = app.deps.secrets.sealer(PURPOSE).open(id.0.as_bytes(), sealed).map_err(Fault::internal)?;
    // What can't be read is not told: it is secret.
    Ok(serde_json::from_slice(&plain).map_err(|_| Fault::internal("credentials of an unknown form"))?)
}
