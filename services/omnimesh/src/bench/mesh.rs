//! The mesh that is measured: child processes of this same program.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::future::join_all;
use omnimesh_kit::secrets::random_bytes;
use omnimesh_proto::sessions::v1::{GetSessionRequest, session_service_client::SessionServiceClient};
use tempfile::TempDir;
use tokio::process::Command;
use tonic::Code;

use super::{args::Mode, process::Process, stores::Stores};
use crate::{
    client::{Client, ClientArgs},
    targets,
};

/// Nothing that is measured should meet a limit.
const SETTINGS: &str = "\
[limits]
per_key = { requests = 1000000000, seconds = 60 }
per_session = { requests = 1000000000, seconds = 60 }
per_address = { requests = 1000000000, seconds = 60 }
";
/// How long what follows by event may take after a round.
const PATIENCE: Duration = Duration::from_secs(120);
/// A mesh that uses less of a core than this does what it does when nobody calls.
const QUIET: Duration = Duration::from_millis(10);

/// A running mesh.
#[derive(Debug)]
pub(super) struct Mesh {
    mode: Mode,
    // Dropped in this order.
    pub(super) processes: Vec<Process>,
    pub(super) stores: Option<Stores>,
    gateway: SocketAddr,
    internal: Vec<(&'static str, SocketAddr)>,
    secret: String,
    collector: String,
    folder: TempDir,
}

/// How long the start took.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(super) struct Starts {
    /// With empty stores: schemas are made.
    pub(super) first_ms: f64,
    /// On stores that are up to date.
    pub(super) again_ms: f64,
}

impl Mesh {
    /// Starts a mesh twice, the second time on the stores of the first: until the first answer of each. `collector` takes its
    /// spans.
    pub(super) async fn start(mode: Mode, stores: Option<Stores>, collector: &str) -> Result<(Self, Starts)> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("omnimesh.toml"), SETTINGS)?;
        let internal = match mode {
            Mode::Split => {
                let targets = targets::names().into_iter().map(|target| Ok((target, free_address()?)));
                targets.collect::<Result<_>>()?
            }
            Mode::Stores | Mode::Embedded => Vec::new(),
        };
        let mut mesh = Self {
            mode,
            processes: Vec::new(),
            stores,
            gateway: free_address()?,
            internal,
            secret: STANDARD.encode(random_bytes::<32>()),
            collector: collector.to_owned(),
            folder,
        };
        let first_ms = mesh.resume().await?;
        for process in std::mem::take(&mut mesh.processes) {
            process.stop().await?;
        }
        let again_ms = mesh.resume().await?;
        Ok((mesh, Starts { first_ms, again_ms }))
    }

    /// Starts the processes; gives the milliseconds until the first answer.
    async fn resume(&mut self) -> Result<f64> {
        let start = Instant::now();
        let mut starting = Vec::new();
        for (target, address) in self.parts() {
            let mut arguments = vec!["serve".to_owned(), "--no-demo".to_owned(), "--data-dir".to_owned()];
            arguments.push(self.data_dir().display().to_string());
            let mut variables = self.variables();
            if let Some(address) = address {
                arguments.extend(["--target", target, "--internal-listen"].map(str::to_owned));
                arguments.push(address.to_string());
                for (other, address) in self.internal.iter().filter(|(other, _)| *other != target) {
                    variables
                        .push((format!("OMNIMESH_ADDRESSES__{}", other.to_uppercase()), format!("http://{address}")));
                }
            }
            if address.is_none() || target == omnimesh_gateway::NAME {
                arguments.extend(["--listen".to_owned(), self.gateway.to_string()]);
            }
            let prepare = move |command: &mut Command| {
                command.args(arguments).envs(variables);
            };
            starting.push(Process::start::<()>(target, self.folder.path(), prepare, |_| None));
        }
        for started in join_all(starting).await {
            self.processes.push(started?.0);
        }
        self.first_answer(start).await
    }

    /// What every process is told.
    fn variables(&self) -> Vec<(String, String)> {
        let mut variables = vec![
            ("OMNIMESH_SECRET", self.secret.clone()),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", self.collector.clone()),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio".to_owned()),
            ("OTEL_TRACES_SAMPLER_ARG", "0.01".to_owned()),
        ];
        if let Some(stores) = &self.stores {
            variables.push(("OMNIMESH_DATABASE_URL", stores.database_url.clone()));
            variables.push(("OMNIMESH_REDIS_URL", stores.redis_url.clone()));
        }
        variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn parts(&self) -> Vec<(&'static str, Option<SocketAddr>)> {
        match self.mode {
            Mode::Split => self.internal.iter().map(|(target, address)| (*target, Some(*address))).collect(),
            Mode::Stores | Mode::Embedded => vec![("omnimesh", None)],
        }
    }

    async fn first_answer(&self, start: Instant) -> Result<f64> {
        loop {
            if let Ok(client) = self.client().await {
                // A key has no session: NOT_FOUND and the like are answers of the service itself.
                let mut sessions = SessionServiceClient::new(client.channel());
                let answer = sessions.get_session(client.request(GetSessionRequest {})).await.map(drop);
                if !matches!(&answer, Err(status) if status.code() == Code::Unavailable) {
                    return Ok(start.elapsed().as_secs_f64() * 1_000.0);
                }
            }
            if start.elapsed() > PATIENCE {
                bail!("the mesh does not answer");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A connection with the admin key.
    pub(super) async fn client(&self) -> Result<Client> {
        Client::connect(&ClientArgs { gateway: self.url(), key: None, data_dir: self.data_dir() }).await
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.gateway)
    }

    pub(super) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Memory of all processes, bytes.
    pub(super) fn memory(&self) -> u64 {
        self.processes.iter().map(Process::memory).sum()
    }

    /// CPU time of all processes.
    pub(super) fn cpu(&self) -> Duration {
        self.processes.iter().map(Process::cpu).sum()
    }

    /// Waits until all that follows by event is done; whether it was in time.
    pub(super) async fn quiet(&self) -> Result<bool> {
        let start = Instant::now();
        let mut quiet = 0;
        while start.elapsed() < PATIENCE {
            let behind = match &self.stores {
                Some(stores) => stores.lag(&self.services()).await? > 0,
                None => false,
            };
            let before = self.cpu();
            tokio::time::sleep(Duration::from_millis(100)).await;
            // The polls of six processes are more than those of one.
            let allowed = QUIET * u32::try_from(self.processes.len()).unwrap_or(1);
            quiet = if behind || self.cpu().saturating_sub(before) > allowed { 0 } else { quiet + 1 };
            if quiet >= 2 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn services(&self) -> Vec<&'static str> {
        targets::SERVICES.iter().map(|target| target.name).collect()
    }

    /// Starts another gateway of this mesh, for which every service but sessions is at `others`.
    pub(super) async fn gateway_before(&self, others: &str) -> Result<(Process, String)> {
        let listen = free_address()?;
        let mut variables = self.variables();
        for (target, address) in &self.internal {
            let address =
                if *target == omnimesh_sessions::NAME { format!("http://{address}") } else { others.to_owned() };
            variables.push((format!("OMNIMESH_ADDRESSES__{}", target.to_uppercase()), address));
        }
        let data_dir = self.data_dir();
        let prepare = move |command: &mut Command| {
            command.args(["serve", "--no-demo", "--target", omnimesh_gateway::NAME, "--listen", &listen.to_string()]);
            command.args(["--internal-listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir).envs(variables);
        };
        let (process, _) =
            Process::start::<()>("gateway before an echo", self.folder.path(), prepare, |_| None).await?;
        Ok((process, format!("http://{listen}")))
    }

    /// Ends it.
    pub(super) async fn end(self) -> Result<()> {
        for process in self.processes {
            process.stop().await?;
        }
        Ok(())
    }
}

fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
    Ok(listener.local_addr()?)
}
