//! A gateway on a socket with its mesh behind it, in this process or in "another".

use std::{
    net::SocketAddr,
    sync::{Arc, Once},
    time::Duration,
};

use omnimesh_gateway::{Deps, Gateway, GatewaySettings};
use omnimesh_kit::{
    auth::{SessionLevel, TokenKey},
    clock::Clock,
    config::Settings,
    ids::{JourneyId, SessionId},
    lifecycle::Lifecycle,
    links::{Addresses, Links},
    ratelimit::RateLimiter,
    secrets::{Secrets, hash_token, random_token},
    server::{Server, ServerSettings},
    session::{LiveSession, LiveSessions, SessionToken},
};
use omnimesh_proto::{
    catalog::v1::{catalog_service_client::CatalogServiceClient, catalog_service_server::CatalogServiceServer},
    common::v1::{Channel as SalesChannel, DeviceClass},
    sessions::v1::{
        ApiKey, ApiKeyKind, api_key_service_server::ApiKeyServiceServer, session_service_client::SessionServiceClient,
        session_service_server::SessionServiceServer,
    },
};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::net::TcpListener;
use tonic::{
    metadata::MetadataValue,
    service::{Interceptor, Routes, interceptor::InterceptedService},
    transport::Channel,
};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::fakes::Fakes;

pub(crate) const GET_PRODUCT: &str = "/omnimesh.catalog.v1.CatalogService/GetProduct";
pub(crate) const IMPORT_PRODUCTS: &str = "/omnimesh.catalog.v1.CatalogService/ImportProducts";
pub(crate) const START_SESSION: &str = "/omnimesh.sessions.v1.SessionService/StartSession";
pub(crate) const GET_SESSION: &str = "/omnimesh.sessions.v1.SessionService/GetSession";
pub(crate) const WATCH: &str = "/omnimesh.sessions.v1.SessionService/WatchVerifications";
pub(crate) const LOAD_SESSION: &str = "/omnimesh.sessions.v1.SessionService/LoadSession";

/// One for all tests: whether a span is wanted is remembered for the whole process.
static TRACING: Once = Once::new();

pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) fakes: Fakes,
    pub(crate) live: LiveSessions,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) admin: String,
    pub(crate) http: reqwest::Client,
}

/// How a test's world differs from the usual one.
pub(crate) struct Plan {
    pub(crate) mesh: Settings,
    pub(crate) gateway: GatewaySettings,
    /// The services are reached over a socket.
    pub(crate) remote: bool,
}

impl Default for Plan {
    fn default() -> Self {
        let mut mesh = Settings::default();
        mesh.limits.message_bytes = 10_000;
        let gateway = GatewaySettings {
            header_timeout_ms: 300,
            body_timeout_ms: 500,
            recheck_ms: 100,
            key_cache_ms: 50,
            ..GatewaySettings::default()
        };
        Self { mesh, gateway, remote: false }
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::of(Plan::default()).await
    }

    pub(crate) async fn of(plan: Plan) -> Self {
        Self::try_of(plan).await.unwrap()
    }

    pub(crate) async fn try_of(plan: Plan) -> Result<Self, omnimesh_gateway::Error> {
        drop(rustls::crypto::ring::default_provider().install_default());
        TRACING.call_once(|| {
            let provider = SdkTracerProvider::builder().build();
            let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
            tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
        });
        let (clock, lifecycle, fakes) = (Clock::System, Lifecycle::new(), Fakes::default());
        let secrets = Secrets::from_root([7; 32]);
        let keys = TokenKey::new(&secrets, clock.clone());
        let server = Server::new(ServerSettings::default(), keys.clone(), lifecycle.clone());
        let sessions =
            Routes::new(SessionServiceServer::new(fakes.clone())).add_service(ApiKeyServiceServer::new(fakes.clone()));
        let stacks = vec![
            server.stack("sessions", sessions),
            server.stack("catalog", Routes::new(CatalogServiceServer::new(fakes.clone()))),
        ];
        let mut addresses = Addresses::new();
        if plan.remote {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let uri: http::Uri = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
            addresses.extend(["sessions", "catalog"].map(|target| (target.to_owned(), vec![uri.clone()])));
            server.serve(listener, stacks.clone());
        }
        let links = Links::new(keys, addresses, lifecycle.clone());
        if !plan.remote {
            stacks.into_iter().for_each(|stack| links.register_local(stack));
        }
        let live = LiveSessions::memory(clock.clone());
        let deps = Deps {
            settings: Arc::new(plan.mesh),
            clock: clock.clone(),
            links,
            secrets,
            sessions: live.clone(),
            rate_limiter: RateLimiter::memory(clock),
            room: server.room(),
            lifecycle: lifecycle.clone(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Gateway::with_settings(deps, plan.gateway)?.serve(listener);
        lifecycle.set_ready();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut world = Self { address, fakes, live, lifecycle, admin: String::new(), http };
        world.admin = world.key(ApiKeyKind::Admin, |_| {});
        Ok(world)
    }

    /// A key that the sessions service knows.
    pub(crate) fn key(&self, kind: ApiKeyKind, change: impl FnOnce(&mut ApiKey)) -> String {
        let id = format!("k{}", self.fakes.keys.lock().unwrap().len());
        let text = random_token(&format!("omk_{id}"));
        let mut key = ApiKey { key_id: id, kind: kind.into(), ..ApiKey::default() };
        change(&mut key);
        self.fakes.keys.lock().unwrap().insert(hash_token(&text).to_vec(), key);
        text
    }

    pub(crate) fn revoke(&self, key: &str) {
        self.fakes.keys.lock().unwrap().remove(hash_token(key).as_slice());
    }

    /// A live session and its token.
    pub(crate) async fn session(&self) -> (SessionId, String) {
        let now = Clock::System.now();
        let id = SessionId::new(now);
        let token = SessionToken::generate(id);
        let session = LiveSession {
            id,
            token_hash: token.hash(),
            profile: None,
            level: SessionLevel::Guest,
            channel: SalesChannel::App.into(),
            device: DeviceClass::Mobile.into(),
            locale: "tr-TR".into(),
            journey: JourneyId::new(now),
            cart: None,
            linked: None,
            assisted_by: None,
            started_at: now,
            expires_at: now.plus(Duration::from_secs(3_600)),
            idle: Duration::from_secs(600),
            idle_expires_at: now.plus(Duration::from_secs(600)),
            revoked: false,
            version: 1,
        };
        assert!(self.live.put(&session).await.unwrap());
        (id, token.reveal().to_owned())
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn channel(&self) -> Channel {
        Channel::from_shared(self.url("")).unwrap().connect().await.unwrap()
    }

    pub(crate) async fn catalog(&self, credential: &str) -> CatalogServiceClient<InterceptedService<Channel, Bearer>> {
        CatalogServiceClient::with_interceptor(self.channel().await, Bearer(credential.to_owned()))
    }

    pub(crate) async fn sessions(&self, credential: &str) -> SessionServiceClient<InterceptedService<Channel, Bearer>> {
        SessionServiceClient::with_interceptor(self.channel().await, Bearer(credential.to_owned()))
    }

    /// A POST with that content type, by the admin key.
    pub(crate) fn post(
        &self,
        path: &str,
        content_type: &str,
        body: impl Into<reqwest::Body>,
    ) -> reqwest::RequestBuilder {
        self.post_as(&self.admin, path, content_type, body)
    }

    pub(crate) fn post_as(
        &self,
        credential: &str,
        path: &str,
        content_type: &str,
        body: impl Into<reqwest::Body>,
    ) -> reqwest::RequestBuilder {
        self.http.post(self.url(path)).bearer_auth(credential).header("content-type", content_type).body(body)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.lifecycle.token().cancel();
    }
}

/// Sends a credential with each call; an empty one is none.
#[derive(Clone)]
pub(crate) struct Bearer(String);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: tonic::Request<()>) -> Result<tonic::Request<()>, tonic::Status> {
        if !self.0.is_empty() {
            let value = MetadataValue::try_from(format!("Bearer {}", self.0)).unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    }
}

/// The reason within a status's details.
pub(crate) fn reason(status: &tonic::Status) -> String {
    use tonic_types::StatusExt as _;
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

/// A frame of gRPC or Connect.
pub(crate) fn frame(flags: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![flags];
    bytes.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
    bytes.extend(data);
    bytes
}

/// The frames in a body; panics if it is not made of frames.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let length = usize::try_from(u32::from_be_bytes(bytes[1..5].try_into().unwrap())).unwrap();
        found.push((bytes[0], bytes[5..5 + length].to_vec()));
        bytes = &bytes[5 + length..];
    }
    found
}

/// The reason within a Connect error.
pub(crate) fn json_reason(error: &serde_json::Value) -> String {
    let details = error["details"].as_array().cloned().unwrap_or_default();
    let info = details.iter().find(|detail| detail["type"] == "google.rpc.ErrorInfo");
    info.and_then(|info| info["debug"]["reason"].as_str()).unwrap_or_default().to_owned()
}
