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
    /// producer serves, and for connectors, one for each vendor: callers choose the target.
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
    (!matches!(area, "events" | "connectors")).then(|| area.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Identity;

    #[test]
    fn every_rpc_of_the_contract_has_a_rule_and_a_target() {
        let methods: Vec<_> = POOL.services().flat_map(|s| s.methods().collect::<Vec<_>>()).collect();
        assert!(!methods.is_empty());
        let mut wrong = Vec::new();
        for method in &methods {
            let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
            let Some(rule) = rule(&path) else {
                wrong.push(format!("{path} has no rule: nobody could call it"));
                continue;
            };
            let mut check = |good: bool, what: &str| {
                if !good {
                    wrong.push(format!("{path} {what}"))
                }
            };
            check(rule.is_public() || !rule.services.is_empty(), "lets nobody in");
            check(!rule.audiences.contains(&Audience::Unspecified), "names no audience");
            check(rule.server_streaming == method.is_server_streaming(), "streams otherwise");
            check(rule.criticality != Criticality::Unspecified, "has no criticality");
            let known = rule.resource_field.is_empty() || has_field(&rule.input, &rule.resource_field);
            check(known, &format!("has no field {}", rule.resource_field));
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert_eq!(methods.len(), rules().count());
    }

    // A resource may be named by a field of a field: `group.id`.
    fn has_field(message: &MessageDescriptor, path: &str) -> bool {
        let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
        let Some(field) = message.get_field_by_name(name) else { return false };
        rest.is_none_or(|rest| field.kind().as_message().is_some_and(|inner| has_field(inner, rest)))
    }

    #[test]
    fn targets_are_the_areas() {
        let target = |path: &str| rule(path).unwrap().target.clone();
        assert_eq!(target("/omnimesh.events.v1.EventLogService/EventsSince"), None);
        assert_eq!(target("/omnimesh.connectors.v1.ConnectorService/Describe"), None);
        for rule in rules().filter(|rule| rule.target.is_some()) {
            let target = rule.target.as_deref().unwrap();
            assert!(rule.path.starts_with(&format!("/omnimesh.{target}.v1.")), "{}", rule.path);
        }
        assert!(rule("/omnimesh.events.v1.EventLogService/eventssince").is_none());
        assert!(rule("/omnimesh.events.v1.EventLogService/EventsSince/").is_none());
    }

    fn some_rule(audiences: &[Audience], scopes: &[&str], services: &[&str]) -> RpcRule {
        RpcRule {
            audiences: audiences.to_vec(),
            scopes: scopes.iter().map(|&s| s.to_owned()).collect(),
            services: services.iter().map(|&s| s.to_owned()).collect(),
            ..rules().next().unwrap().clone()
        }
    }

    fn caller(audience: Audience, scopes: &[&str]) -> Caller {
        let mut identity = Identity::system("x");
        identity.audience = audience.into();
        identity.scopes = scopes.iter().map(|&s| s.to_owned()).collect();
        Caller { identity, service: None }
    }

    #[test]
    fn the_audience_decides_then_the_scopes() {
        let rule = some_rule(&[Audience::Customer, Audience::Partner, Audience::Admin], &["orders.write"], &[]);
        assert!(decide(&rule, &caller(Audience::Customer, &[])).is_ok());
        assert!(decide(&rule, &caller(Audience::Partner, &["orders.write"])).is_ok());
        assert!(decide(&rule, &caller(Audience::Admin, &[])).is_ok());
        let refused = |caller: &Caller| decide(&rule, caller).unwrap_err().reason();
        assert_eq!(refused(&caller(Audience::Partner, &["orders.read"])), ErrorReason::ScopeMissing);
        for audience in [Audience::Unspecified, Audience::Anonymous, Audience::Staff, Audience::Service] {
            assert_eq!(refused(&caller(audience, &["orders.write"])), ErrorReason::AudienceDenied, "{audience:?}");
        }
        let odd = some_rule(&[Audience::Unspecified], &[], &[]);
        assert!(decide(&odd, &caller(Audience::Unspecified, &[])).is_err(), "UNSPECIFIED never matches");
        assert!(decide(&some_rule(&[Audience::Customer], &[], &[]), &caller(Audience::Admin, &[])).is_err());
    }

    #[test]
    fn a_service_is_admitted_by_name_alone() {
        let rule = some_rule(&[Audience::Customer], &[], &["orders"]);
        let mut caller = caller(Audience::Customer, &[]);
        caller.service = Some("carts".into());
        assert!(decide(&rule, &caller).is_err(), "acting for a customer does not make it one");
        caller.service = Some("orders".into());
        assert!(decide(&rule, &caller).is_ok());
        caller.identity = Identity::system("orders");
        assert!(decide(&rule, &caller).is_ok());
    }
}
