//! Malformed calls by the thousand, over connections that are kept: each must be answered, in a form that its client can
//! read, and by none may the mesh take the blame.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use omnimesh_proto::common::v1::Channel;
use tokio::net::TcpStream;
use tonic::Code;

use super::{
    address,
    call::{Credentials, Target, call},
    dice::Dice,
};
use crate::{
    Device, Mesh,
    answer::{Answer, Said},
};

/// Clients at the same time.
const CLIENTS: u64 = 16;
/// A session that somebody's call did end is replaced after so many calls of one client.
const CALLS_PER_SESSION: u64 = 2_000;
const PATIENCE: Duration = Duration::from_secs(30);
/// Examples of what went wrong that are kept.
const EXAMPLES: usize = 20;

/// What became of the calls.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// How often each answer came: a gRPC code, or an HTTP status.
    pub answers: BTreeMap<String, u64>,
    /// Connections that the mesh closed on a client; it opened another.
    pub closed: u64,
    /// What was wrong, as examples; none may be.
    pub wrong: Vec<String>,
    /// How much of it there was.
    pub wrong_count: u64,
}

impl Outcome {
    fn wrong(&mut self, what: String) {
        self.wrong_count += 1;
        if self.wrong.len() < EXAMPLES {
            self.wrong.push(what);
        }
    }
}

/// Makes so many malformed calls. `tick` hears how many were made, now and then.
pub async fn malformed(mesh: &Mesh, calls: u64, seed: u64, tick: impl Fn(u64)) -> Outcome {
    let (made, outcome) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Outcome::default())));
    let target = Target::all();
    let clients = (0..CLIENTS).map(|number| {
        let (made, outcome, target) = (Arc::clone(&made), Arc::clone(&outcome), target.clone());
        let dice = Dice::new(seed.wrapping_mul(1_000).wrapping_add(number));
        async move {
            let mut client = Client { address: address(mesh), http1: None, http2: None, dice, outcome };
            while made.load(Ordering::Relaxed) < calls {
                let who = Credentials {
                    session: Device::start(mesh, Channel::Web).await.token,
                    publishable: mesh.publishable_key(),
                    admin: mesh.admin_key(),
                };
                for _ in 0..CALLS_PER_SESSION {
                    if made.fetch_add(1, Ordering::Relaxed) >= calls {
                        return;
                    }
                    client.call(&target, &who).await;
                }
            }
        }
    });
    let report = async {
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            tick(made.load(Ordering::Relaxed).min(calls));
        }
    };
    tokio::select! {
        _ = futures::future::join_all(clients) => {}
        () = report => {}
    }
    let outcome = outcome.lock().unwrap();
    outcome.clone()
}

struct Client {
    address: SocketAddr,
    http1: Option<http1::SendRequest<Full<Bytes>>>,
    http2: Option<http2::SendRequest<Full<Bytes>>>,
    dice: Dice,
    outcome: Arc<Mutex<Outcome>>,
}

impl Client {
    async fn call(&mut self, target: &Target, who: &Credentials) {
        let (request, needs_http2) = call(target, who, &mut self.dice);
        let over_http2 = needs_http2 || self.dice.percent(30);
        let what = format!("{} {} {:?}", request.method(), request.uri(), request.headers().get("content-type"));
        let body = request.body().clone();
        match tokio::time::timeout(PATIENCE, self.send(request, over_http2)).await {
            Err(_) => self.note(|outcome| outcome.wrong(format!("{what}: no answer in {PATIENCE:?}"))),
            // A broken head or body may cost the connection, never more.
            Ok(Err(_)) => {
                (self.http1, self.http2) = (None, None);
                self.note(|outcome| outcome.closed += 1);
            }
            Ok(Ok(answer)) => self.judge(&what, body, &answer).await,
        }
    }

    async fn judge(&mut self, what: &str, body: Full<Bytes>, answer: &Answer) {
        let read = answer.read();
        let sent = || async {
            let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            String::from_utf8_lossy(&bytes).chars().take(300).collect::<String>()
        };
        let wrong = match &read {
            Err(wrong) => Some(format!("{what}: {wrong}; sent {:?}", sent().await)),
            Ok(said) if said.is_defect() => Some(format!("{what}: {said:?} {answer:?}; sent {:?}", sent().await)),
            Ok(_) => None,
        };
        self.note(|outcome| {
            let name = match &read {
                Ok(Said::Rpc(code)) => format!("{code:?}"),
                Ok(Said::Text(status)) => format!("HTTP {status}"),
                Err(_) => "unreadable".to_owned(),
            };
            *outcome.answers.entry(name).or_default() += 1;
            wrong.into_iter().for_each(|wrong| outcome.wrong(wrong));
        });
    }

    fn note(&self, change: impl FnOnce(&mut Outcome)) {
        change(&mut self.outcome.lock().unwrap());
    }

    async fn send(&mut self, request: Request<Full<Bytes>>, over_http2: bool) -> anyhow::Result<Answer> {
        let response = if over_http2 { self.send_http2(request).await? } else { self.send_http1(request).await? };
        let (parts, body) = response.into_parts();
        let body = body.collect().await?;
        let trailers = body.trailers().cloned().unwrap_or_default();
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body: body.to_bytes(), trailers })
    }

    #[expect(clippy::disallowed_methods, reason = "a connection's task ends with it")]
    async fn send_http1(&mut self, request: Request<Full<Bytes>>) -> anyhow::Result<Response<Incoming>> {
        if self.http1.as_ref().is_none_or(http1::SendRequest::is_closed) {
            let (sender, connection) = http1::handshake(TokioIo::new(self.connect().await?)).await?;
            tokio::spawn(connection);
            self.http1 = Some(sender);
        }
        let sender = self.http1.as_mut().expect("just made");
        sender.ready().await?;
        Ok(sender.send_request(request).await?)
    }

    #[expect(clippy::disallowed_methods, reason = "a connection's task ends with it")]
    async fn send_http2(&mut self, mut request: Request<Full<Bytes>>) -> anyhow::Result<Response<Incoming>> {
        if self.http2.as_ref().is_none_or(http2::SendRequest::is_closed) {
            let stream = TokioIo::new(self.connect().await?);
            let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
            tokio::spawn(connection);
            self.http2 = Some(sender);
        }
        request.headers_mut().remove("host");
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = format!("http://mesh.example{path}").parse()?;
        let sender = self.http2.as_mut().expect("just made");
        sender.ready().await?;
        Ok(sender.send_request(request).await?)
    }

    async fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl Outcome {
    /// How many calls were refused as what they are, and how many were answered.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.answers.values().sum()
    }

    /// How many were let through, because chance had made them right.
    #[must_use]
    pub fn let_through(&self) -> u64 {
        self.answers.get(&format!("{:?}", Code::Ok)).copied().unwrap_or_default()
    }
}
