//! A sessions service with stand-ins for profiles and carts, called as the gateway would.

use std::sync::Arc;

use omnimesh_kit::{
    auth::{Caller, Identity, TokenKey},
    bus::Bus,
    call::Call,
    clock::Clock,
    config::Settings,
    inbox::EventHandler,
    lifecycle::Lifecycle,
    links::{BoundLink, Links},
    outbox,
    secrets::{Secrets, hash_token, random_bytes},
    server::{Server, ServerSettings},
    service::Deps,
    session::{Found, LiveSessions, SessionToken},
    store::Sql,
    tail::Tail,
    testing::{self, Backend, TestDb},
};
use omnimesh_proto::{
    access::v1::Audience,
    carts::v1 as carts,
    common::v1::{Actor, Channel, Contact, DeviceClass, contact},
    profiles::v1 as profiles,
    sessions::v1::{
        AttachCartRequest, ClaimHandoffRequest, ClaimHandoffResponse, CompleteVerificationRequest,
        CreateHandoffRequest, CreateHandoffResponse, HandoffScope, IdentifySessionRequest, IdentifySessionResponse,
        LoadSessionRequest, Session, StartSessionRequest, StartVerificationRequest, WatchVerificationsRequest,
        api_key_service_client::ApiKeyServiceClient, claim_handoff_request,
        handoff_service_client::HandoffServiceClient, identify_session_request::Proof,
        session_service_client::SessionServiceClient,
    },
};
use prost::Message as _;
use tonic::{Response, Status, service::Routes};
use tonic_types::StatusExt as _;

use crate::fakes::Fakes;

pub(crate) struct World {
    pub(crate) db: Arc<TestDb>,
    pub(crate) clock: Clock,
    pub(crate) live: LiveSessions,
    pub(crate) fakes: Fakes,
    pub(crate) customers: Arc<dyn EventHandler>,
    links: Links,
    settings: Settings,
    secrets: Secrets,
    _lifecycle: Lifecycle,
}

/// Somebody with a session.
#[derive(Clone, Debug)]
pub(crate) struct Customer {
    pub(crate) session: Session,
    pub(crate) token: SessionToken,
    call: Call,
}

/// SQLite with sessions in memory, and Postgres with sessions in Redis.
pub(crate) async fn worlds() -> [World; 2] {
    [world(Backend::Sqlite, |_| ()).await, world(Backend::Postgres, |_| ()).await]
}

pub(crate) async fn world(backend: Backend, set: impl FnOnce(&mut Settings)) -> World {
    let db = testing::db(&omnimesh_sessions::MIGRATIONS, backend).await;
    let mut settings = Settings::default();
    settings.development = Some(false);
    if backend == Backend::Postgres {
        let url =
            std::env::var(testing::REDIS_URL).expect("OMNIMESH_TEST_REDIS_URL names the Redis server of the tests");
        settings.redis_url = Some(url.into());
        // Redis forgets by its own clock: what ends in its past is gone at once.
        db.clock.advance(Clock::System.now().since(db.clock.now()));
    }
    set(&mut settings);
    // Secrets of its own: the limits in Redis count by keyed hashes of addresses that other tests use too.
    World::open(Arc::new(db), settings, Fakes::default(), Secrets::from_root(random_bytes()))
}

impl World {
    fn open(db: Arc<TestDb>, settings: Settings, fakes: Fakes, secrets: Secrets) -> Self {
        let (clock, lifecycle) = (db.clock.clone(), Lifecycle::new());
        let live = match &settings.redis_url {
            Some(url) => LiveSessions::redis(url.expose(), clock.clone()).unwrap(),
            None => LiveSessions::memory(clock.clone()),
        };
        let keys = TokenKey::new(&secrets, clock.clone());
        let links = Links::new(keys.clone(), Default::default(), lifecycle.clone());
        let server = Server::new(ServerSettings::default(), keys, lifecycle.clone());
        let (bus, tail) = (Bus::memory(10_000), Tail::new(db.db.clone()));
        lifecycle.spawn("relay", outbox::relay(db.db.clone(), bus.clone(), lifecycle.token()));
        lifecycle.spawn("tail", tail.clone().run(bus, lifecycle.token()));
        let module = omnimesh_sessions::build(Deps {
            settings: Arc::new(settings.clone()),
            clock: clock.clone(),
            secrets: secrets.clone(),
            db: db.db.clone(),
            sessions: live.clone(),
            links: links.of(omnimesh_sessions::NAME),
            tail,
            lifecycle: lifecycle.clone(),
        });
        let module = module.unwrap();
        let [consumer] = module.consumers.try_into().expect("it hears the profiles service");
        assert_eq!((consumer.group, consumer.producer), ("sessions", "profiles"));
        links.register_local(server.stack("sessions", module.routes));
        let profiles = profiles::profile_service_server::ProfileServiceServer::new(fakes.clone());
        links.register_local(server.stack("profiles", Routes::new(profiles)));
        let carts = carts::cart_service_server::CartServiceServer::new(fakes.clone());
        links.register_local(server.stack("carts", Routes::new(carts)));
        let customers = consumer.handler;
        Self { db, clock, live, fakes, customers, links, settings, secrets, _lifecycle: lifecycle }
    }

    /// The same database with empty live sessions, as after a loss of the shared store.
    pub(crate) fn after_loss(&self) -> Self {
        let mut settings = self.settings.clone();
        settings.redis_url = None;
        Self::open(self.db.clone(), settings, self.fakes.clone(), self.secrets.clone())
    }

    pub(crate) fn client(&self, call: &Call) -> SessionServiceClient<BoundLink> {
        SessionServiceClient::new(self.links.to("sessions", call))
    }

    pub(crate) fn as_service(&self, service: &str) -> SessionServiceClient<BoundLink> {
        SessionServiceClient::new(self.links.of(service).to("sessions", &Call::system(service)))
    }

    pub(crate) fn handoffs(&self, call: &Call) -> HandoffServiceClient<BoundLink> {
        HandoffServiceClient::new(self.links.to("sessions", call))
    }

    pub(crate) async fn offer(&self, customer: &Customer, scope: HandoffScope) -> CreateHandoffResponse {
        let request = CreateHandoffRequest { scope: scope.into(), request_id: String::new() };
        self.handoffs(customer.call()).create_handoff(request).await.unwrap().into_inner()
    }

    /// Claims as an app does.
    pub(crate) async fn claim(&self, call: &Call, proof: impl Into<Claimed>) -> Result<ClaimHandoffResponse, Status> {
        let Claimed(proof) = proof.into();
        let channel =
            if call.identity().audience() == Audience::Anonymous { Channel::App } else { Channel::Unspecified };
        let request = ClaimHandoffRequest {
            proof: Some(proof),
            channel: channel.into(),
            device_class: DeviceClass::Mobile.into(),
            ..ClaimHandoffRequest::default()
        };
        self.handoffs(call).claim_handoff(request).await.map(Response::into_inner)
    }

    /// Somebody who scanned the offer, with the session that this gave.
    pub(crate) async fn linked(&self, call: &Call, offer: &CreateHandoffResponse) -> Customer {
        let claimed = self.claim(call, offer).await.unwrap();
        self.customer(&claimed.token).await.expect("the claimed session is live")
    }

    pub(crate) async fn attach(&self, customer: &Customer, cart: &str) {
        let session_id = customer.session.session_id.clone();
        let request = AttachCartRequest { session_id: session_id.clone(), cart_id: cart.to_owned() };
        self.as_service("carts").attach_cart(request).await.unwrap();
        self.fakes.fill_cart(&session_id, cart);
    }

    /// The types of an aggregate's events, in order.
    pub(crate) async fn events(&self, aggregate: &str) -> Vec<String> {
        let sql = Sql::portable("SELECT type FROM outbox WHERE aggregate_id = $1 ORDER BY aggregate_seq");
        let rows = self.db.read().await.unwrap().fetch_all(sql, omnimesh_kit::args![aggregate]).await.unwrap();
        let types = rows.iter().map(|row| row.get::<String>("type").unwrap());
        types.map(|name| name.rsplit('.').next().unwrap_or_default().to_owned()).collect()
    }

    /// Who ended a session.
    pub(crate) async fn ended_by(&self, session: &str) -> Actor {
        let sql = Sql::portable("SELECT actor FROM outbox WHERE aggregate_id = $1 AND type LIKE '%SessionEnded'");
        let row = self.db.read().await.unwrap().fetch_one(sql, omnimesh_kit::args![session]).await.unwrap();
        Actor::decode(row.get::<Vec<u8>>("actor").unwrap().as_slice()).unwrap()
    }

    pub(crate) fn keys(&self, call: &Call) -> ApiKeyServiceClient<BoundLink> {
        ApiKeyServiceClient::new(self.links.to("sessions", call))
    }

    pub(crate) fn keys_from_gateway(&self) -> ApiKeyServiceClient<BoundLink> {
        ApiKeyServiceClient::new(self.links.of("gateway").to("sessions", &Call::system("gateway")))
    }

    pub(crate) async fn start(&self, channel: Channel, device: DeviceClass, location: &str) -> Customer {
        let request = StartSessionRequest {
            channel: channel.into(),
            device_class: device.into(),
            locale: "tr-TR".to_owned(),
            location_id: location.to_owned(),
        };
        let started = self.client(&anonymous(&[])).start_session(request).await.unwrap().into_inner();
        self.customer(&started.token).await.expect("a started session is live")
    }

    pub(crate) async fn guest(&self) -> Customer {
        self.start(Channel::Web, DeviceClass::Desktop, "").await
    }

    /// As the gateway does: the live session of a token.
    pub(crate) async fn customer(&self, token: &str) -> Option<Customer> {
        let token: SessionToken = token.parse().unwrap();
        let Found::Live(live) = self.live.authenticate(&token).await.unwrap() else { return None };
        let call = call(live.identity());
        let session = self.client(&call).get_session(omnimesh_proto::sessions::v1::GetSessionRequest {}).await;
        let session = session.expect("who is live has a session");
        Some(Customer { session: session.into_inner().session.unwrap(), token, call })
    }

    pub(crate) async fn load(&self, token: &SessionToken) -> Result<Session, Status> {
        let session_id = token.session_id().to_string();
        let request = LoadSessionRequest { token_hash: hash_token(token.reveal()).to_vec(), session_id };
        Ok(self.as_service("gateway").load_session(request).await?.into_inner().session.unwrap())
    }

    pub(crate) async fn ask_code(&self, customer: &Customer, email: &str) -> Result<String, Status> {
        let contact = Some(Contact { value: Some(contact::Value::Email(email.to_owned())) });
        let request = StartVerificationRequest { contact };
        Ok(self.client(customer.call()).start_verification(request).await?.into_inner().verification_id)
    }

    /// The code, as the back-end that delivers it reads it.
    pub(crate) async fn delivered(&self, verification: &str) -> Option<String> {
        let mut client = self.client(&key(Audience::Service, &["verifications.deliver"]));
        let mut codes = client.watch_verifications(WatchVerificationsRequest {}).await.unwrap().into_inner();
        let wait = std::time::Duration::from_millis(300);
        while let Ok(Ok(Some(code))) = tokio::time::timeout(wait, codes.message()).await {
            if code.verification_id == verification {
                return Some(code.code);
            }
        }
        None
    }

    pub(crate) async fn complete(&self, customer: &Customer, verification: &str, code: &str) -> Result<(), Status> {
        let request = CompleteVerificationRequest { verification_id: verification.to_owned(), code: code.to_owned() };
        self.client(customer.call()).complete_verification(request).await.map(drop)
    }

    pub(crate) async fn prove(&self, customer: &Customer, email: &str) -> String {
        let verification = self.ask_code(customer, email).await.unwrap();
        let code = self.delivered(&verification).await.unwrap();
        self.complete(customer, &verification, &code).await.unwrap();
        verification
    }

    pub(crate) async fn identify(
        &self,
        call: &Call,
        session_id: &str,
        proof: Proof,
        request_id: &str,
    ) -> Result<Response<IdentifySessionResponse>, Status> {
        let request = IdentifySessionRequest {
            session_id: session_id.to_owned(),
            proof: Some(proof),
            request_id: request_id.to_owned(),
        };
        self.client(call).identify_session(request).await
    }

    pub(crate) async fn identify_by_email(&self, customer: &Customer, email: &str) -> Customer {
        let verification = self.prove(customer, email).await;
        let reply = self.identify(customer.call(), "", Proof::VerificationId(verification), "").await.unwrap();
        self.customer(&reply.into_inner().token).await.expect("the new token is live")
    }
}

/// What a claimer shows.
pub(crate) struct Claimed(claim_handoff_request::Proof);

impl From<&CreateHandoffResponse> for Claimed {
    fn from(offer: &CreateHandoffResponse) -> Self {
        Self(claim_handoff_request::Proof::QrToken(offer.qr_token.clone()))
    }
}

impl From<&str> for Claimed {
    fn from(code: &str) -> Self {
        Self(claim_handoff_request::Proof::Code(code.to_owned()))
    }
}

impl Customer {
    pub(crate) fn call(&self) -> &Call {
        &self.call
    }
}

pub(crate) fn call(identity: Identity) -> Call {
    Call { caller: Caller { identity, service: None }, deadline: None }
}

pub(crate) fn key(audience: Audience, scopes: &[&str]) -> Call {
    let mut identity = Identity::system("tests");
    identity.audience = audience.into();
    identity.subject = format!("key of {audience:?}");
    identity.scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    call(identity)
}

pub(crate) fn anonymous(scopes: &[&str]) -> Call {
    key(Audience::Anonymous, scopes)
}

pub(crate) fn staff(store: &str, scopes: &[&str]) -> Call {
    let mut call = key(Audience::Staff, scopes);
    call.caller.identity.stores = vec![store.to_owned()];
    call.caller.identity.channel = Channel::Store.into();
    call
}

/// The stable reason of an error.
pub(crate) fn reason<T: std::fmt::Debug>(result: Result<T, Status>) -> String {
    let status = result.expect_err("the call is refused");
    status.get_details_error_info().map_or_else(|| format!("{status:?}"), |info| info.reason)
}
