//! A gateway without sockets.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use omnimesh_kit::{
    auth::{SessionLevel, TokenKey, rules},
    clock::{Clock, Timestamp},
    config::Settings,
    ids::{JourneyId, SessionId},
    lifecycle::Lifecycle,
    links::{Addresses, Links},
    ratelimit::{Limit, RateLimiter},
    secrets::{Secrets, random_token},
    server::{Server, ServerSettings},
    session::{LiveSession, LiveSessions, SessionToken},
};
use omnimesh_proto::common::v1::{Channel, DeviceClass};
use tokio::runtime::Runtime;
use tonic::{Status, body::Body};

use super::echo::{Echo, Heard};
use crate::{Deps, Gateway, GatewaySettings};

/// The largest message that this edge takes.
pub const MESSAGE_BYTES: usize = 16 * 1_024;
/// Whoever waits longer for an answer waits for ever.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a client gets.
#[derive(Debug)]
pub struct Answer {
    /// Status and headers.
    pub parts: response::Parts,
    /// The body, whole.
    pub body: Bytes,
    /// The trailers.
    pub trailers: HeaderMap,
    /// What a service heard of it.
    pub heard: Option<Heard>,
}

/// A gateway and the services behind it, in this thread.
pub struct Edge {
    runtime: Runtime,
    gateway: Gateway,
    echo: Echo,
    /// A guest's token.
    pub session: String,
    /// An administrator's key.
    pub key: String,
}

impl std::fmt::Debug for Edge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Edge").finish_non_exhaustive()
    }
}

impl Default for Edge {
    fn default() -> Self {
        Self::new()
    }
}

impl Edge {
    /// A gateway whose clock stands still, so that nothing expires and nobody is limited.
    #[must_use]
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let echo = Echo::default();
        let session = SessionToken::generate(SessionId::new(START));
        let gateway = runtime.block_on(gateway(&echo, &session));
        Self { runtime, gateway, echo, session: session.reveal().to_owned(), key: random_token("omk_k1") }
    }

    /// The answer to a request whose body arrives in these pieces.
    ///
    /// # Panics
    /// If none comes.
    pub fn call(&self, request: Request<Vec<Bytes>>) -> Answer {
        let request = request.map(|pieces| {
            let frames = pieces.into_iter().map(|piece| Ok::<_, Status>(Frame::data(piece)));
            Body::new(StreamBody::new(futures::stream::iter(frames)))
        });
        let peer = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 4_711);
        let whole = async {
            let (parts, body) = self.gateway.answer(peer, request).await.into_parts();
            let body = body.collect().await.unwrap();
            let trailers = body.trailers().cloned().unwrap_or_default();
            Answer { parts, body: body.to_bytes(), trailers, heard: self.echo.take() }
        };
        let answered = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, whole).await });
        answered.unwrap()
    }
}

const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

async fn gateway(echo: &Echo, token: &SessionToken) -> Gateway {
    // Whatever comes first of several in a process stays.
    drop(rustls::crypto::ring::default_provider().install_default());
    let (clock, lifecycle, secrets) = (Clock::manual(START), Lifecycle::new(), Secrets::from_root([7; 32]));
    lifecycle.set_ready();
    let keys = TokenKey::new(&secrets, clock.clone());
    let server = Server::new(ServerSettings::default(), keys.clone(), lifecycle.clone());
    let links = Links::new(keys, Addresses::new(), lifecycle.clone());
    let targets: BTreeSet<_> = rules().filter_map(|rule| rule.target.as_deref()).collect();
    targets.into_iter().for_each(|target| links.register_local(server.stack(target, echo.routes())));
    let live = LiveSessions::memory(clock.clone());
    assert!(live.put(&guest(token)).await.unwrap());
    let mut settings = Settings::default();
    settings.limits.message_bytes = MESSAGE_BYTES;
    let plenty = Limit::new(u32::MAX, 1);
    (settings.limits.per_key, settings.limits.per_session, settings.limits.per_address) = (plenty, plenty, plenty);
    let deps = Deps {
        settings: Arc::new(settings),
        clock: clock.clone(),
        links,
        secrets,
        sessions: live,
        rate_limiter: RateLimiter::memory(clock),
        room: server.room(),
        lifecycle,
    };
    let own = GatewaySettings { key_cache_ms: 10_000, ..GatewaySettings::default() };
    Gateway::with_settings(deps, own).unwrap()
}

fn guest(token: &SessionToken) -> LiveSession {
    let hour = Duration::from_secs(3_600);
    LiveSession {
        id: token.session_id(),
        token_hash: token.hash(),
        profile: None,
        level: SessionLevel::Guest,
        channel: Channel::Web.into(),
        device: DeviceClass::Mobile.into(),
        locale: "tr-TR".into(),
        journey: JourneyId::new(START),
        cart: None,
        linked: None,
        assisted_by: None,
        started_at: START,
        expires_at: START.plus(hour),
        idle: hour,
        idle_expires_at: START.plus(hour),
        revoked: false,
        version: 1,
    }
}
