//! A profiles service, called as other services and the gateway would.

use std::sync::Arc;

use omnimesh_kit::{
    args,
    auth::{Caller, Identity, SessionIdentity, SessionLevel, TokenKey},
    call::Call,
    config::{Settings, Sources},
    customers,
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
        ClusterMember, IdentifierType, Interaction, ListInteractionsRequest, ResolveProfileRequest,
        ResolveProfileResponse, VerifiedIdentifier, consent_service_client::ConsentServiceClient,
        customer_view_service_client::CustomerViewServiceClient, profile_service_client::ProfileServiceClient,
        timeline_service_client::TimelineServiceClient,
    },
};
use tonic::Status;
use tonic_types::StatusExt as _;

mod sql {
    omnimesh_kit::statements! {
        /// A profile.
        PROFILE = "INSERT INTO profiles (id, created_at, version, events) VALUES ($1, $2, 1, 0)";
    }
}

pub(crate) struct World {
    pub(crate) db: TestDb,
    pub(crate) consumers: Vec<Consumer>,
    pub(crate) links: Links,
    server: Server,
    _lifecycle: Lifecycle,
}

pub(crate) async fn worlds() -> Vec<World> {
    futures::future::join_all(BACKENDS.map(world)).await
}

pub(crate) async fn world(backend: Backend) -> World {
    world_with(backend, Settings::default()).await
}

/// Settings with variables such as `OMNIMESH_PROFILES__COUNTRY`.
pub(crate) fn settings(variables: &[(&str, &str)]) -> Settings {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let known_targets = vec![omnimesh_profiles::NAME.to_owned()];
    Settings::load(&Sources { variables, known_targets, ..Sources::default() }).unwrap()
}

pub(crate) async fn world_with(backend: Backend, settings: Settings) -> World {
    let db = testing::db(&omnimesh_profiles::MIGRATIONS, backend).await;
    let (clock, lifecycle, secrets) = (db.clock.clone(), Lifecycle::new(), Secrets::from_root([9; 32]));
    let keys = TokenKey::new(&secrets, clock.clone());
    let links = Links::new(keys.clone(), Default::default(), lifecycle.clone());
    let server = Server::new(ServerSettings::default(), keys, lifecycle.clone());
    let module = omnimesh_profiles::build(Deps {
        settings: Arc::new(settings),
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
    World { db, consumers: module.consumers, links, server, _lifecycle: lifecycle }
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

    pub(crate) fn consents(&self, call: &Call) -> ConsentServiceClient<BoundLink> {
        ConsentServiceClient::new(self.links.to("profiles", call))
    }

    pub(crate) fn views(&self, call: &Call) -> CustomerViewServiceClient<BoundLink> {
        CustomerViewServiceClient::new(self.links.to("profiles", call))
    }

    /// Has the other services answer that a test stands in for.
    pub(crate) fn register(&self, name: &'static str, routes: tonic::service::Routes) {
        self.links.register_local(self.server.stack(name, routes));
    }

    /// Has profiles be there that only events speak of.
    pub(crate) async fn has(&self, profiles: &[ProfileId]) {
        let mut tx = self.db.begin().await.unwrap();
        for profile in profiles {
            tx.execute(sql::PROFILE, args![profile.0, testing::START]).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    /// Says where profiles belong: each with its survivor.
    pub(crate) async fn cluster(&self, generation: i64, members: &[(ProfileId, ProfileId)]) {
        let member = |(profile, root): &(ProfileId, ProfileId)| ClusterMember {
            profile_id: profile.to_string(),
            root_profile_id: root.to_string(),
            generation,
        };
        let members: Vec<_> = members.iter().map(member).collect();
        let mut tx = self.db.begin().await.unwrap();
        customers::write(&mut tx, &members).await.unwrap();
        tx.commit().await.unwrap();
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
