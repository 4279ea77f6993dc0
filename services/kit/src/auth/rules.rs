//! The access rule of every RPC, read once from the contract, and the one decision over it.

use std::{collections::HashMap, sync::LazyLock};

use omnimesh_proto::{
    POOL,
    access::v1::{Audience, Criticality, Ownership, Rule},
    common::v1::ErrorReason,
};
use prost_reflect::{MessageDescriptor, MethodDescriptor};

use super::Caller;
use crate::error::Fault;

/// The method option that carries the rule.
const EXTENSION: &str = "omnimesh.access.v1.rule";

/// One RPC of the contract with its access rule.
#[derive(Clone, Debug)]
pub struct RpcRule {
    /// `/omnimesh.carts.v1.CartService/AddLine`.
    pub path: String,
    /// The full name of the gRPC service: `omnimesh.carts.v1.CartService`.
    pub service: String,
    /// The service of the mesh that serves it: the area of its package. `None` for the event log, which every
    /// producer serves: its callers choose the target.
    pub target: Option<String>,
    /// Who may call it through the gateway.
    pub audiences: Vec<Audience>,
    /// What keys and staff need, all of them.
    pub scopes: Vec<String>,
    /// The services of the mesh that may call it.
    pub services: Vec<String>,
    /// The request field that names the resource; empty for none.
    pub resource_field: String,
    /// How callers own that resource.
    pub owners: Vec<Ownership>,
    /// How late it is shed; never UNSPECIFIED.
    pub criticality: Criticality,
    /// Whether the gateway limits it by address as well.
    pub limit_by_address: bool,
    /// Whether asking twice is harmless: the contract says that it reads.
    pub idempotent: bool,
    /// Whether the client sends a stream.
    pub client_streaming: bool,
    /// Whether the server sends a stream.
    pub server_streaming: bool,
    /// The request's message type.
    pub input: MessageDescriptor,
    /// The reply's message type.
    pub output: MessageDescriptor,
}

impl RpcRule {
    /// Whether neither side streams.
    #[must_use]
    pub fn is_unary(&self) -> bool {
        !self.client_streaming && !self.server_streaming
    }

    /// Whether the gateway routes it at all.
    #[must_use]
    pub fn is_public(&self) -> bool {
        !self.audiences.is_empty()
    }
}

static RULES: LazyLock<HashMap<String, RpcRule>> =
    LazyLock::new(|| POOL.services().flat_map(|s| s.methods().collect::<Vec<_>>()).filter_map(read).collect());

/// The rule of the RPC at that path, compared exactly. `None`: there is no such RPC, or it has no rule; either way
/// nobody may call it.
#[must_use]
pub fn rule(path: &str) -> Option<&'static RpcRule> {
    RULES.get(path)
}

/// Every RPC that has a rule.
pub fn rules() -> impl Iterator<Item = &'static RpcRule> {
    RULES.values()
}

/// Whether that caller may call that RPC. Ownership of the resource is for the use case to check.
///
/// # Errors
/// PERMISSION_DENIED.
pub fn decide(rule: &RpcRule, caller: &Caller) -> Result<(), Fault> {
    // A service of the mesh answers for itself: what the one it acts for may do was checked where that call came in.
    if let Some(service) = &caller.service {
        return if rule.services.contains(service) {
            Ok(())
        } else {
            Err(Fault::denied(ErrorReason::AudienceDenied, format!("the service {service} may not make this call")))
        };
    }
    let audience = caller.identity.audience();
    if audience == Audience::Unspecified || !rule.audiences.contains(&audience) {
        return Err(Fault::denied(ErrorReason::AudienceDenied, "this kind of credential may not make this call"));
    }
    let scoped = matches!(audience, Audience::Partner | Audience::Service | Audience::Staff);
    match rule.scopes.iter().find(|scope| scoped && !caller.identity.has_scope(scope)) {
        None => Ok(()),
        Some(missing) => {
            Err(Fault::denied(ErrorReason::ScopeMissing, format!("the credential lacks the scope {missing}"))
                .metadata("scope", missing))
        }
    }
}

fn read(method: MethodDescriptor) -> Option<(String, RpcRule)> {
    let extension = POOL.get_extension_by_name(EXTENSION)?;
    let options = method.options();
    if !options.has_extension(&extension) {
        return None;
    }
    let rule: Rule = options.get_extension(&extension).as_message()?.transcode_to().ok()?;
    let service = method.parent_service().full_name().to_owned();
    let path = format!("/{service}/{}", method.name());
    let criticality = match rule.criticality() {
        Criticality::Unspecified => Criticality::Read,
        said => said,
    };
    let read = RpcRule {
        path: path.clone(),
        target: target_of(method.parent_service().package_name()),
        audiences: rule.audiences().collect(),
        owners: rule.owners().collect(),
        // Only what the contract calls a read is safe to send twice; silence is not a promise.
        idempotent: rule.criticality() == Criticality::Read,
        criticality,
        scopes: rule.scopes,
        services: rule.services,
        resource_field: rule.resource_field,
        limit_by_address: rule.limit_by_address,
        client_streaming: method.is_client_streaming(),
        server_streaming: method.is_server_streaming(),
        input: method.input(),
        output: method.output(),
        service,
    };
    Some((path, read))
}

/// The service that serves a package `omnimesh.<area>.v1`.
fn target_of(package: &str) -> Option<String> {
    let area = package.strip_prefix("omnimesh.")?.split('.').next()?;
    (area != "events").then(|| area.to_owned())
}
