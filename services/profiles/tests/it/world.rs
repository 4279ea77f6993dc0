//! A profiles service, called as other services and the gateway would.

use std::sync::Arc;

use omnimesh_kit::{
    auth::{Caller, Identity, SessionIdentity, SessionLevel, TokenKey},
    call::Call,
    config::Settings,
    ids::{JourneyId, ProfileId, SessionId},
    inbox::Consumer,
    lifecycle::Lifecycle,
    links::{BoundLink, Links},
    secrets::Secrets,
    server::{Server, ServerSettings},
    service::Deps,
    session::LiveSessions,
    tail::Tail,
    testing::{self, BACKENDS, Backend, TestDb},
};
use omnimesh_proto::{
    access::v1::Audience,
    profiles::v1::{
        IdentifierType, Interaction, ListInteractionsRequest, ResolveProfileRequest, ResolveProfileResponse,
        VerifiedIdentifier, profile_service_client::ProfileServiceClient,
        timeline_service_client::TimelineServiceClient,
    },
};
use tonic::Status;
use tonic_types::StatusExt as _;

pub(crate) struct World {
    pub(crate) db: TestDb,
    pub(crate) consumers: Vec<Consumer>,
    links: Links,
    _lifecycle: Lifecycle,
}

pub(crate) async fn worlds() -> Vec<World> {
    futures::future::join_all(BACKENDS.map(world)).await
}

pub(crate) async fn world(backend: Backend) -> World {
    let db = testing::db(&omnimesh_profiles::MIGRATIONS, backend).await;
    let (clock, lifecycle, secrets) = (db.clock.clone(), Lifecycle::new(), Secrets::from_root([9; 32]));
    let keys = TokenKey::new(&secrets, clock.clone());
    let links = Links::new(keys.clone(), Default::default(), lifecycle.clone());
    let server = Server::new(ServerSettings::default(), keys, lifecycle.clone());
    let module = omnimesh_profiles::build(Deps {
        settings: Arc::new(Settings::default()),
        clock: clock.clone(),
        secrets,
        db: db.db.clone(),
        sessions: LiveSessions::memory(clock),
        links: links.of(omnimesh_profiles::NAME),
        tail: Tail::new(db.db.clone()),
        lifecycle: lifecycle.clone(),
    })
    .unwrap();
    links.register_local(server.stack("profiles", module.routes));
    World { db, consumers: module.consumers, links, _lifecycle: lifecycle }
}

impl World {
    pub(crate) fn client(&self, call: &Call) -> ProfileServiceClient<BoundLink> {
        ProfileServiceClient::new(self.links.to("profiles", call))
    }

    pub(crate) fn as_service(&self, service: &str) -> ProfileServiceClient<BoundLink> {
        ProfileServiceClient::new(self.links.of(service).to("profiles", &Call::system(service)))
    }

    pub(crate) fn timeline(&self, call: &Call) -> TimelineServiceClient<BoundLink> {
        TimelineServiceClient::new(self.links.to("profiles", call))
    }

    pub(crate) async fn resolve(
        &self,
        identifiers: &[(IdentifierType, &str)],
        create: bool,
    ) -> Result<ResolveProfileResponse, Status> {
        let request = resolve(identifiers, create);
        Ok(self.as_service("sessions").resolve_profile(request).await?.into_inner())
    }

    pub(crate) async fn interactions(&self, profile: ProfileId) -> Vec<Interaction> {
        let request = ListInteractionsRequest { profile_id: profile.to_string(), ..Default::default() };
        let list = self.timeline(&service(&["profiles.read"])).list_interactions(request).await.unwrap();
        list.into_inner().interactions
    }
}

pub(crate) fn resolve(identifiers: &[(IdentifierType, &str)], create: bool) -> ResolveProfileRequest {
    let identifier = |(kind, value): &(IdentifierType, &str)| VerifiedIdentifier {
        r#type: (*kind).into(),
        value: (*value).to_owned(),
    };
    ResolveProfileRequest {
        identifiers: identifiers.iter().map(identifier).collect(),
        create_if_missing: create,
        request_id: String::new(),
    }
}

pub(crate) fn call(identity: Identity) -> Call {
    Call { caller: Caller { identity, service: None }, deadline: None }
}

pub(crate) fn service(scopes: &[&str]) -> Call {
    let mut identity = Identity::system("tests");
    identity.audience = Audience::Service.into();
    identity.scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    call(identity)
}

pub(crate) fn customer(profile: Option<ProfileId>, level: SessionLevel) -> Call {
    let mut identity = Identity::system("tests");
    identity.audience = Audience::Customer.into();
    let id = SessionId(uuid::Uuid::from_u128(1));
    identity.subject = id.to_string();
    let journey = JourneyId(uuid::Uuid::from_u128(1));
    let locale = "en".to_owned();
    identity.session =
        Some(SessionIdentity { id, profile, level, journey, locale, device: 1, linked: None, assisted_by: None });
    call(identity)
}

/// The stable reason of an error.
pub(crate) fn reason<T: std::fmt::Debug>(result: Result<T, Status>) -> String {
    let status = result.expect_err("the call is refused");
    status.get_details_error_info().map_or_else(|| format!("{status:?}"), |info| info.reason)
}
