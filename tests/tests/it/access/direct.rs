//! Calls at the services themselves, as if the gateway had let them through.

use bytes::Bytes;
use omnimesh_kit::{
    auth::{Caller, IDENTITY_HEADER, Identity, RpcRule, SessionIdentity, SessionLevel, TokenKey},
    clock::Clock,
    secrets::Secrets,
};
use omnimesh_proto::{access::v1::Audience, common::v1::Channel, sessions::v1::SessionLevel as Level};
use omnimesh_tests::{
    Device, Mesh,
    mesh::TARGETS,
    raw::{RawGrpc, Refusal},
};
use tonic::Code;

use super::{ANKARA, Attacker, Expected};

/// The sockets that services have for each other.
pub(super) struct Services {
    keys: TokenKey,
    sockets: Vec<(&'static str, RawGrpc)>,
}

impl Services {
    pub(super) fn new(mesh: &Mesh) -> Self {
        let keys = TokenKey::new(&Secrets::from_root(mesh.secret()), Clock::System);
        let services = TARGETS.into_iter().filter(|target| *target != "gateway");
        Self { keys, sockets: services.map(|target| (target, RawGrpc::new(&mesh.internal_url(target)))).collect() }
    }

    /// Calls as that identity, with a token that the gateway could have signed.
    pub(super) async fn call(
        &self,
        rule: &RpcRule,
        identity: Option<&Identity>,
        message: Bytes,
    ) -> Result<Option<Bytes>, Refusal> {
        // All services have the event log.
        let target = rule.target.as_deref().unwrap_or("orders");
        let (target, socket) = self.sockets.iter().find(|(name, _)| *name == target).unwrap();
        let token = match identity {
            Some(identity) => {
                let caller = Caller { identity: identity.clone(), service: None };
                self.keys.issue(&caller, target).await.unwrap().to_str().unwrap().to_owned()
            }
            None => return socket.call(&rule.path, &[("omnimesh-target", target)], message).await,
        };
        socket.call(&rule.path, &[("omnimesh-target", target), (IDENTITY_HEADER, &token)], message).await
    }
}

/// What must come of the call that the gateway would have answered otherwise.
pub(super) fn expectation(rule: &RpcRule, at_the_gateway: Expected, attacker: &Attacker) -> Expected {
    match (attacker.audience, rule.is_public()) {
        (None, _) => Expected::Refused(Code::Unauthenticated, "CREDENTIAL_MISSING"),
        // It exists here, for the mesh alone.
        (Some(_), false) => Expected::Refused(Code::PermissionDenied, "AUDIENCE_DENIED"),
        (Some(_), true) => at_the_gateway,
    }
}

/// Who an attacker is to a service.
pub(super) fn identity(audience: Audience, device: Option<&Device>, scopes: &[String]) -> Identity {
    let session = device.map(|device| {
        let session = &device.session;
        SessionIdentity {
            id: session.session_id.parse().unwrap(),
            profile: (!session.profile_id.is_empty()).then(|| session.profile_id.parse().unwrap()),
            level: match session.level() {
                Level::Identified => SessionLevel::Identified,
                _ => SessionLevel::Guest,
            },
            journey: session.journey_id.parse().unwrap(),
            locale: session.locale.clone(),
            device: session.device_class,
            linked: None,
            assisted_by: None,
        }
    });
    let scoped = matches!(audience, Audience::Staff | Audience::Partner | Audience::Service);
    Identity {
        audience: audience.into(),
        subject: session.as_ref().map_or_else(|| "somebody".to_owned(), |session| session.id.to_string()),
        channel: device.map_or(Channel::Unspecified.into(), |device| device.session.channel),
        scopes: if scoped { scopes.to_vec() } else { Vec::new() },
        session,
        stores: if audience == Audience::Staff { vec![ANKARA.to_owned()] } else { Vec::new() },
        account: (audience == Audience::Partner).then(|| "another-account".to_owned()),
        client: None,
    }
}
