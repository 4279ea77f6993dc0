//! What the mesh is compared with, measured in the same run: bare echoes, the store's own row, Redis' own GET.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, Result};
use http::uri::PathAndQuery;

use super::{
    args::Pace,
    caller::{Caller, Next},
    process::Process,
    raw::{Authorization, RawClient, connect},
    reference::echo_request,
    report::{Figures, Reference},
    rounds::{Subject, measure},
    stores::Stores,
    upsert,
    workload::Prepared,
};

/// Connections of all callers together, as to the mesh.
const CONNECTIONS: usize = 4;
/// The store's own row.
pub(super) const UPSERT: &str = "one-row upsert";
const ECHO: PathAndQuery = PathAndQuery::from_static("/omnimesh.bench.v1.EchoService/Echo");

/// Bare echoes.
pub(super) struct Echoes {
    echo: Process,
    forward: Process,
    addresses: [String; 2],
    known: BTreeMap<(usize, usize, usize, usize), Figures>,
}

impl Echoes {
    pub(super) async fn start(folder: &Path) -> Result<Self> {
        let (echo, at) = start("echo", folder, None).await?;
        let (forward, before) = start("forward", folder, Some(&at)).await?;
        Ok(Self { echo, forward, addresses: [at, before], known: BTreeMap::new() })
    }

    /// Where an echo answers whatever path is called; spans sent to it are taken and dropped.
    pub(super) fn address(&self) -> &str {
        let [echo, _] = &self.addresses;
        echo
    }

    /// The process that echoes.
    pub(super) fn process(&self) -> &Process {
        &self.echo
    }

    /// What an echo of that payload costs over one hop or two.
    pub(super) async fn measure(
        &mut self,
        hops: usize,
        callers: usize,
        (request, reply): (usize, usize),
        pace: Pace,
    ) -> Result<Figures> {
        let key = (hops, callers, request, reply);
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let (address, processes) = match hops {
            1 => (&self.addresses[0], vec![&self.echo]),
            _ => (&self.addresses[1], vec![&self.echo, &self.forward]),
        };
        let prepared = echo_callers(address, callers, (request, reply), &ECHO, None).await?;
        let subject = Subject { processes, mesh: None };
        let figures = measure(&subject, short(pace), None, prepared).await?.figures;
        self.known.insert(key, figures.clone());
        Ok(figures)
    }
}

/// Callers that call an echo.
pub(super) async fn echo_callers(
    address: &str,
    callers: usize,
    (request, reply): (usize, usize),
    path: &PathAndQuery,
    who: Option<&Authorization>,
) -> Result<Prepared> {
    let channels = connect(address, CONNECTIONS.min(callers)).await?;
    let body = echo_request(request, reply);
    let callers = channels.iter().cycle().take(callers).map(|channel| {
        let (who, body) = (who.cloned(), body.clone());
        let next: Next = Box::new(move || Some((who.clone(), body.clone())));
        Caller::unary(RawClient::new(channel.clone()), path.clone(), next)
    });
    Ok(Prepared { callers: callers.collect(), ready: None })
}

/// The stores' own figures at each number of callers.
pub(super) async fn of_stores(
    stores: Option<&Stores>,
    folder: &Path,
    callers: &[u16],
    pace: Pace,
) -> Result<Vec<Reference>> {
    let mut references = Vec::new();
    let nobody = Subject { processes: Vec::new(), mesh: None };
    let db = upsert::open(stores.map(|stores| stores.database_url.clone()), folder).await?;
    for number in callers {
        let callers = (0..i64::from(*number)).map(|row| Caller::Upsert { db: db.clone(), row });
        let prepared = Prepared { callers: callers.collect(), ready: None };
        let figures = measure(&nobody, short(pace), None, prepared).await?.figures;
        references.push(Reference { name: UPSERT, callers: *number, figures });
    }
    db.close().await;
    let Some(stores) = stores else { return Ok(references) };
    let connection = redis::Client::open(stores.redis_url.as_str())?.get_multiplexed_async_connection().await?;
    redis::cmd("SET").arg("omnimesh_bench").arg("x".repeat(300)).exec_async(&mut connection.clone()).await?;
    for number in callers {
        let callers = (0..*number).map(|_| Caller::RedisGet { connection: connection.clone() });
        let prepared = Prepared { callers: callers.collect(), ready: None };
        let figures = measure(&nobody, short(pace), None, prepared).await?.figures;
        references.push(Reference { name: "Redis GET", callers: *number, figures });
    }
    Ok(references)
}

async fn start(name: &str, folder: &Path, next: Option<&str>) -> Result<(Process, String)> {
    let prepare = |command: &mut tokio::process::Command| {
        command.arg("bench-reference");
        if let Some(next) = next {
            command.args(["--next", next]);
        }
    };
    let (process, address) =
        Process::start(name, folder, prepare, |line| line.strip_suffix(" is up").map(str::to_owned)).await?;
    Ok((process, address.context("a reference without an address")?))
}

/// A reference is only a scale.
pub(super) fn short(pace: Pace) -> Pace {
    Pace { warm_up: pace.warm_up / 4, round: pace.reference, rounds: 1, ..pace }
}
