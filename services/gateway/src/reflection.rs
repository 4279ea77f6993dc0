//! Reflection (v1 and v1alpha) over the whole mesh: who shows no credential sees what can be called without a session,
//! everyone else the contract without its internal RPCs.

use std::collections::{BTreeSet, HashSet};

use http::{Request, Response};
use omnimesh_kit::auth::{Identity, RpcRule, rule, rules};
use omnimesh_proto::{DESCRIPTORS, access::v1::Audience};
use prost::Message as _;
use prost_reflect::{Kind, MessageDescriptor};
use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};
use tonic::{body::Body, service::Routes};
use tower::Service as _;

use crate::gateway::Error;

/// The reflection services.
#[derive(Clone, Debug)]
pub(crate) struct Reflection {
    anonymous: Routes,
    everyone: Routes,
}

impl Reflection {
    pub(crate) fn new() -> Result<Self, Error> {
        Ok(Self {
            anonymous: routes(&contract(|rule| rule.audiences.contains(&Audience::Anonymous))?)?,
            everyone: routes(&contract(RpcRule::is_public)?)?,
        })
    }

    pub(crate) async fn answer(&self, identity: Option<&Identity>, request: Request<Body>) -> Response<Body> {
        let anonymous = identity.is_none_or(|identity| identity.audience() == Audience::Anonymous);
        let mut routes = if anonymous { self.anonymous.clone() } else { self.everyone.clone() };
        let Ok(response) = routes.call(request).await;
        response
    }
}

fn routes(files: &FileDescriptorSet) -> Result<Routes, Error> {
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_file_descriptor_set(files.clone())
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // So that grpcurl and others can read the details of errors.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    let failed = |error: tonic_reflection::server::Error| Error::Reflection(error.to_string());
    let v1 = builder().build_v1().map_err(failed)?;
    let v1alpha = builder().build_v1alpha().map_err(failed)?;
    Ok(Routes::new(v1).add_service(v1alpha).prepare())
}

/// The contract as it looks when there are only the RPCs that `shown` accepts, and the messages that they need.
fn contract(shown: impl Fn(&RpcRule) -> bool) -> Result<FileDescriptorSet, Error> {
    let mut set = FileDescriptorSet::decode(DESCRIPTORS).map_err(|error| Error::Reflection(error.to_string()))?;
    let mut needed = HashSet::new();
    for rule in rules().filter(|rule| shown(rule)) {
        need(&rule.input, &mut needed);
        need(&rule.output, &mut needed);
    }
    for file in &mut set.file {
        prune(file, &shown, &needed);
    }
    Ok(set)
}

/// The message and all that its fields may hold.
fn need(message: &MessageDescriptor, needed: &mut HashSet<String>) {
    if !needed.insert(message.full_name().to_owned()) {
        return;
    }
    for field in message.fields() {
        if let Kind::Message(inner) = field.kind() {
            need(&inner, needed);
        }
    }
}

fn prune(file: &mut FileDescriptorProto, shown: impl Fn(&RpcRule) -> bool, needed: &HashSet<String>) {
    let package = file.package().to_owned();
    if !package.starts_with("omnimesh.") || package.starts_with("omnimesh.access.") {
        return;
    }
    let before = indexes(file);
    for service in &mut file.service {
        let name = format!("{package}.{}", service.name());
        service.method.retain(|method| rule(&format!("/{name}/{}", method.name())).is_some_and(&shown));
    }
    file.service.retain(|service| !service.method.is_empty());
    file.message_type.retain(|message| is_needed(message, &package, needed));
    // Comments are found by index: they only fit a file from which nothing was taken.
    if indexes(file) != before {
        file.source_code_info = None;
    }
}

/// Whether the message or one inside it is needed: a message stands where its outer ones do.
fn is_needed(message: &DescriptorProto, parent: &str, needed: &HashSet<String>) -> bool {
    let name = format!("{parent}.{}", message.name());
    needed.contains(&name) || message.nested_type.iter().any(|inner| is_needed(inner, &name, needed))
}

fn indexes(file: &FileDescriptorProto) -> BTreeSet<String> {
    let methods = file.service.iter().flat_map(|service| service.method.iter().map(|method| method.name().to_owned()));
    methods.chain(file.message_type.iter().map(|message| message.name().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(set: &FileDescriptorSet) -> (BTreeSet<String>, BTreeSet<String>) {
        let of = |file: &FileDescriptorProto| file.package().to_owned();
        let ours = || set.file.iter().filter(|file| of(file).starts_with("omnimesh."));
        let methods = ours().flat_map(|file| {
            file.service.iter().flat_map(move |service| {
                service.method.iter().map(move |method| format!("/{}.{}/{}", of(file), service.name(), method.name()))
            })
        });
        let messages = ours().flat_map(|file| file.message_type.iter().map(|message| message.name().to_owned()));
        (methods.collect(), messages.collect())
    }

    #[test]
    fn each_sees_what_it_may_call() {
        let (all, messages) = names(&contract(RpcRule::is_public).unwrap());
        let expected: BTreeSet<_> = rules().filter(|rule| rule.is_public()).map(|rule| rule.path.clone()).collect();
        assert_eq!(all, expected);
        assert!(messages.contains("GetCartRequest") && !messages.contains("LoadSessionRequest"));

        let (open, messages) = names(&contract(|rule| rule.audiences.contains(&Audience::Anonymous)).unwrap());
        assert!(open.contains("/omnimesh.sessions.v1.SessionService/StartSession"));
        assert!(open.len() < all.len() && open.is_subset(&all));
        assert!(messages.contains("StartSessionRequest") && !messages.contains("PlaceOrderRequest"));
    }

    #[test]
    fn what_is_left_is_whole() {
        for set in [
            contract(RpcRule::is_public).unwrap(),
            contract(|rule| rule.audiences.contains(&Audience::Anonymous)).unwrap(),
        ] {
            prost_reflect::DescriptorPool::from_file_descriptor_set(set).unwrap();
        }
    }
}
