//! One caller of the closed loop.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::uri::PathAndQuery;
use omnimesh_kit::store::Db;
use omnimesh_proto::orders::v1::{ImportOrdersResponse, ImportOutcome};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::{
    raw::{Authorization, RawClient},
    upsert,
};

/// Documents of an import stream that are on their way.
const WINDOW: usize = 100;

/// What is called next; none when what was prepared is used up.
pub(super) type Next = Box<dyn FnMut() -> Option<(Option<Authorization>, Bytes)> + Send>;

/// Bytes of the last request and of its reply.
pub(super) type Sizes = (usize, usize);

/// One caller.
pub(super) enum Caller {
    /// A call with one answer.
    Unary { client: RawClient, path: PathAndQuery, next: Next, sizes: Sizes },
    /// A document of a stream, of which several are on their way.
    Import(Box<Import>),
    /// The store's own row.
    Upsert { db: Db, row: i64 },
    /// Redis' own GET.
    RedisGet { connection: redis::aio::MultiplexedConnection },
}

impl Caller {
    /// Makes a call, or ends the last ones if there are to be no more; none if there is nothing to end.
    pub(super) async fn call(&mut self, go_on: bool) -> Option<Result<Duration, Status>> {
        if let Self::Import(import) = self {
            return import.call(go_on).await;
        }
        if !go_on {
            return None;
        }
        let start = Instant::now();
        let done = match self {
            Self::Unary { client, path, next, sizes } => {
                let (authorization, body) = next()?;
                let request = body.len();
                let reply = client.call(path, authorization.as_ref(), body).await;
                reply.map(|reply| *sizes = (request, reply.len()))
            }
            Self::Upsert { db, row } => {
                upsert::once(db, *row).await.map_err(|error| Status::internal(error.to_string()))
            }
            Self::RedisGet { connection } => redis::cmd("GET")
                .arg("omnimesh_bench")
                .exec_async(connection)
                .await
                .map_err(|error| Status::internal(error.to_string())),
            Self::Import(_) => return None,
        };
        Some(done.map(|()| start.elapsed()))
    }
}

impl Caller {
    /// A caller of calls with one answer.
    pub(super) fn unary(client: RawClient, path: PathAndQuery, next: Next) -> Self {
        Self::Unary { client, path, next, sizes: (0, 0) }
    }

    /// How large its last call was.
    pub(super) fn sizes(&self) -> Sizes {
        match self {
            Self::Unary { sizes, .. } => *sizes,
            Self::Import(import) => import.sizes,
            Self::Upsert { .. } | Self::RedisGet { .. } => (0, 0),
        }
    }
}

/// A stream of documents.
pub(super) struct Import {
    client: RawClient,
    path: PathAndQuery,
    next: Next,
    stream: Option<(mpsc::Sender<Bytes>, Streaming<Bytes>)>,
    sent: VecDeque<Instant>,
    sizes: Sizes,
}

impl Import {
    pub(super) fn new(client: RawClient, path: PathAndQuery, next: Next) -> Self {
        Self { client, path, next, stream: None, sent: VecDeque::new(), sizes: (0, 0) }
    }

    async fn call(&mut self, go_on: bool) -> Option<Result<Duration, Status>> {
        if go_on && let Err(status) = self.fill().await {
            return Some(Err(self.broken(status)));
        }
        let begun = self.sent.pop_front()?;
        let (_, answers) = self.stream.as_mut()?;
        let answer = answers.message().await;
        Some(match answer {
            Ok(Some(answer)) => {
                self.sizes.1 = answer.len();
                created(&answer).map(|()| begun.elapsed())
            }
            Ok(None) => Err(self.broken(Status::unavailable("the stream of answers ended"))),
            Err(status) => Err(self.broken(status)),
        })
    }

    /// Sends as many documents as may be on their way.
    async fn fill(&mut self) -> Result<(), Status> {
        while self.sent.len() < WINDOW {
            let Some((authorization, document)) = (self.next)() else { break };
            self.sizes.0 = document.len();
            if self.stream.is_none() {
                let (sender, receiver) = mpsc::channel(WINDOW);
                // The answer's head may wait for the first document.
                drop(sender.try_send(document));
                self.sent.push_back(Instant::now());
                let answers =
                    self.client.stream(&self.path, authorization.as_ref(), ReceiverStream::new(receiver)).await?;
                self.stream = Some((sender, answers));
                continue;
            }
            if let Some((sender, _)) = &self.stream {
                sender.send(document).await.map_err(|_| Status::unavailable("the stream of documents broke"))?;
                self.sent.push_back(Instant::now());
            }
        }
        Ok(())
    }

    fn broken(&mut self, status: Status) -> Status {
        self.stream = None;
        self.sent.clear();
        status
    }
}

fn created(answer: &Bytes) -> Result<(), Status> {
    let answer = ImportOrdersResponse::decode(answer.clone()).map_err(|error| Status::internal(error.to_string()))?;
    match answer.outcome() {
        ImportOutcome::Created => Ok(()),
        outcome => Err(Status::failed_precondition(format!("{}: {}", outcome.as_str_name(), answer.refusal))),
    }
}
