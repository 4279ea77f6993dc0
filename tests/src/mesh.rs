//! A mesh that a test started, in one of the three ways it can be run.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Once,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use omnimesh::client::{ADMIN_KEY_FILE, Client, ClientArgs};
use tempfile::TempDir;
use uuid::Uuid;

use crate::{binary, ports, process::Process, staff::Issuer, stores::Stores, wait::eventually};

/// Every service with a process of its own.
pub const TARGETS: [&str; 7] = ["sessions", "profiles", "catalog", "carts", "orders", "channels", "gateway"];

/// The name of a process that runs every service.
pub(crate) const WHOLE: &str = "omnimesh";

/// How the mesh is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One process with embedded stores.
    Embedded,
    /// One process on Postgres and Redis.
    Stores,
    /// One process per target on Postgres and Redis.
    Split,
}

/// What a mesh is started with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How it is run.
    pub mode: Mode,
    /// Further environment variables.
    pub variables: Vec<(String, String)>,
    /// Further settings, TOML.
    pub settings: String,
    /// The URL of a Postgres server of its own; none: that of all tests.
    pub server: Option<String>,
    /// How many processes each target has, in a mesh of many processes.
    pub replicas: usize,
    /// Connectors with a process of their own, in a mesh of many processes.
    pub connectors: Vec<&'static str>,
}

impl Setup {
    /// A mesh of that mode and nothing special.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        Self { mode, variables: Vec::new(), settings: String::new(), server: None, replicas: 1, connectors: Vec::new() }
    }

    /// With so many processes of each target.
    #[must_use]
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// With a connector.
    #[must_use]
    pub fn connector(mut self, name: &'static str) -> Self {
        self.connectors.push(name);
        self
    }

    /// With an environment variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// With lines of its settings file.
    #[must_use]
    pub fn settings(mut self, toml: &str) -> Self {
        self.settings.push_str(toml);
        self
    }
}

/// A running mesh. It ends, and what it kept goes, when this is dropped.
#[derive(Debug)]
pub struct Mesh {
    setup: Setup,
    // One of each replica.
    gateways: Vec<SocketAddr>,
    // Targets and where their replicas listen for the others; in one process there is none.
    internal: Vec<(&'static str, Vec<SocketAddr>)>,
    secret: [u8; 32],
    issuer: Issuer,
    // Dropped in this order: the processes, what they keep, and their folder.
    processes: Vec<Process>,
    earlier_logs: Vec<String>,
    stores: Option<Stores>,
    folder: TempDir,
}

/// No test should meet a limit that it does not mean.
const LIMITS: &str = "\
[limits]
per_key = { requests = 1000000, seconds = 60 }
per_session = { requests = 1000000, seconds = 60 }
per_address = { requests = 1000000, seconds = 60 }
";

impl Mesh {
    /// Starts a mesh with the demo data.
    pub async fn start(mode: Mode) -> Self {
        Self::start_with(Setup::new(mode)).await
    }

    /// Starts a mesh with the demo data and special settings.
    pub async fn start_with(setup: Setup) -> Self {
        let mesh = Self::start_empty(setup).await;
        omnimesh::demo::load(&mesh.admin().await).await.expect("the demo data is loaded");
        mesh
    }

    /// Starts a mesh without any data.
    pub async fn start_empty(setup: Setup) -> Self {
        install_tls();
        let folder = tempfile::tempdir().unwrap();
        let issuer = Issuer::new(folder.path());
        let settings = format!("{LIMITS}{}\n{}", setup.settings, Issuer::settings(folder.path()));
        fs::write(folder.path().join("omnimesh.toml"), settings).unwrap();
        let stores = match setup.mode {
            Mode::Embedded => None,
            Mode::Stores | Mode::Split => Some(Stores::start(setup.server.clone()).await),
        };
        let internal = match setup.mode {
            Mode::Split => {
                let free = || (0..setup.replicas).map(|_| ports::free()).collect();
                let targets = TARGETS.into_iter().chain(setup.connectors.iter().copied());
                targets.map(|target| (target, free())).collect()
            }
            Mode::Embedded | Mode::Stores => Vec::new(),
        };
        let mut mesh = Self {
            gateways: (0..setup.replicas).map(|_| ports::free()).collect(),
            setup,
            internal,
            secret: *Uuid::new_v4().as_bytes().repeat(2).first_chunk().expect("two UUIDs are 32 bytes"),
            issuer,
            processes: Vec::new(),
            earlier_logs: Vec::new(),
            stores,
            folder,
        };
        mesh.resume().await;
        mesh
    }

    /// Starts the processes again after [`Self::stop`] or [`Self::kill`], on what they kept and where they were.
    pub async fn resume(&mut self) {
        assert!(self.processes.is_empty(), "the mesh runs");
        self.processes = match self.setup.mode {
            Mode::Split => {
                let replicas = |(target, addresses): &(&'static str, Vec<_>)| {
                    (0..addresses.len()).map(|replica| self.start_replica(target, replica, &[])).collect::<Vec<_>>()
                };
                self.internal.iter().flat_map(replicas).collect()
            }
            Mode::Embedded | Mode::Stores => vec![self.start_one(WHOLE, &[])],
        };
        for process in &mut self.processes {
            process.said("says that it is up", |line| line.contains(" is up").then_some(())).await;
        }
        for url in self.urls() {
            let ready = format!("{url}/readyz");
            eventually("the gateway is ready", async || {
                reqwest::get(&ready).await.ok().filter(|answer| answer.status().is_success())
            })
            .await;
        }
    }

    /// Tells one replica of a target to end, waits until it has in order, and starts it again where it was.
    pub async fn restart(&mut self, target: &str, replica: usize) {
        let index = self.place_of(target) + replica;
        let process = self.processes.get_mut(index).expect("there is such a process");
        let status = process.stop().await;
        assert!(status.success(), "{target} was told to stop and ended with {status}");
        self.earlier_logs.extend(process.log());
        let mut started = self.start_replica(target, replica, &[]);
        started.said("says that it is up", |line| line.contains(" is up").then_some(())).await;
        *self.processes.get_mut(index).expect("there is such a process") = started;
    }

    /// Ends the one process of a target at once, as a power cut would, and leaves it so until [`Self::revive`].
    pub fn crash(&mut self, target: &str) {
        let index = self.place_of(target);
        let process = self.processes.get_mut(index).expect("there is such a process");
        process.kill();
        let log = process.log();
        self.earlier_logs.extend(log);
    }

    /// Starts the process of a target again after [`Self::crash`], where it was.
    pub async fn revive(&mut self, target: &str) {
        let index = self.place_of(target);
        let mut started = self.start_replica(target, 0, &[]);
        started.said("says that it is up", |line| line.contains(" is up").then_some(())).await;
        *self.processes.get_mut(index).expect("there is such a process") = started;
    }

    /// Where the processes of a target begin.
    fn place_of(&self, target: &str) -> usize {
        self.internal.iter().take_while(|(other, _)| *other != target).map(|(_, addresses)| addresses.len()).sum()
    }

    /// Hands its processes over to whoever keeps them running from here on.
    pub(crate) fn hand_over(&mut self) -> Vec<Process> {
        std::mem::take(&mut self.processes)
    }

    /// Starts one of its processes, with further environment variables.
    pub(crate) fn start_one(&self, target: &str, variables: &[(&str, String)]) -> Process {
        self.start_replica(target, 0, variables)
    }

    fn start_replica(&self, target: &str, replica: usize, variables: &[(&str, String)]) -> Process {
        let mut command = self.serve();
        if [WHOLE, "gateway"].contains(&target) {
            command.args(["--listen", &self.gateways[replica].to_string()]);
        }
        if let Some((_, addresses)) = self.internal.iter().find(|(own, _)| *own == target) {
            command.args(["--target", target, "--internal-listen", &addresses[replica].to_string()]);
        }
        for (other, addresses) in self.internal.iter().filter(|(other, _)| *other != target) {
            let urls: Vec<_> = addresses.iter().map(|address| format!("http://{address}")).collect();
            command.env(format!("OMNIMESH_ADDRESSES__{}", other.to_uppercase()), urls.join(","));
        }
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        Process::start(target, &mut command)
    }

    fn serve(&self) -> Command {
        let mut command = binary::command(self.folder.path());
        command.args(["serve", "--no-demo", "--data-dir"]).arg(self.data_dir());
        // A few connections each: many meshes share one server.
        command.env("OMNIMESH_STORE__MAX_CONNECTIONS", "4");
        command.env("OMNIMESH_SECRET", STANDARD.encode(self.secret));
        if let Some(stores) = &self.stores {
            command.env("OMNIMESH_DATABASE_URL", stores.database_url());
            command.env("OMNIMESH_REDIS_URL", stores.redis_url());
        }
        command.envs(self.setup.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Ends every process at once, as a power cut would.
    pub fn kill(&mut self) {
        for mut process in std::mem::take(&mut self.processes) {
            process.kill();
            self.earlier_logs.extend(process.log());
        }
    }

    /// Tells every process to end, and waits until it has: each must end in order.
    pub async fn stop(&mut self) {
        for mut process in std::mem::take(&mut self.processes) {
            let status = process.stop().await;
            assert!(status.success(), "a process that was told to stop ended with {status}");
            self.earlier_logs.extend(process.log());
        }
    }

    /// How it is run.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.setup.mode
    }

    /// The gateway's URL.
    #[must_use]
    pub fn url(&self) -> String {
        self.urls().swap_remove(0)
    }

    /// The URLs of all gateways.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.gateways.iter().map(|address| format!("http://{address}")).collect()
    }

    /// Where a target listens for the others.
    #[must_use]
    pub fn internal_url(&self, target: &str) -> String {
        let (_, addresses) = self.internal.iter().find(|(name, _)| *name == target).expect("a mesh of many processes");
        format!("http://{}", addresses[0])
    }

    /// The root secret that its processes share.
    #[must_use]
    pub fn secret(&self) -> [u8; 32] {
        self.secret
    }

    /// Its data folder.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder for a test's own files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The issuer of its staff's tokens.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Empties its Redis.
    pub async fn flush_redis(&self) {
        let url = self.stores.as_ref().expect("a mesh with a Redis").redis_url();
        let mut redis = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
        redis::cmd("FLUSHALL").exec_async(&mut redis).await.unwrap();
    }

    /// Its stores; none with embedded ones.
    pub(crate) fn stores(&self) -> Option<&Stores> {
        self.stores.as_ref()
    }

    /// Its database on the Postgres server; none with embedded stores.
    #[must_use]
    pub fn database_url(&self) -> Option<String> {
        self.stores.as_ref().map(Stores::database_url)
    }

    /// Its Redis; none with embedded stores.
    #[must_use]
    pub fn redis_url(&self) -> Option<&str> {
        self.stores.as_ref().map(Stores::redis_url)
    }

    /// All that its processes wrote to standard output, as far as they run.
    #[must_use]
    pub fn said(&self) -> Vec<String> {
        self.processes.iter().flat_map(Process::out).collect()
    }

    /// All that its processes wrote to standard error, those that have ended included.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.earlier_logs.iter().cloned().chain(self.processes.iter().flat_map(Process::log)).collect()
    }

    /// How much memory its processes hold, bytes (resident set).
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.processes.iter().map(Process::memory).sum()
    }

    /// Nothing in the log says that a task panicked or that a defect was met.
    pub fn assert_no_defect(&self) {
        let found: Vec<_> = self.log().into_iter().filter(|line| is_defect(line)).collect();
        assert!(found.is_empty(), "the mesh logged defects: {found:#?}");
    }

    /// The admin key of the first start.
    #[must_use]
    pub fn admin_key(&self) -> String {
        self.key(ADMIN_KEY_FILE)
    }

    /// The publishable key of the first start.
    #[must_use]
    pub fn publishable_key(&self) -> String {
        self.key("publishable.key")
    }

    fn key(&self, file: &str) -> String {
        let path = self.data_dir().join(file);
        let key = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        key.trim().to_owned()
    }

    /// A connection with a credential.
    pub async fn client(&self, credential: &str) -> Client {
        let args =
            ClientArgs { gateway: self.url(), key: Some(credential.to_owned()), data_dir: PathBuf::from("unused") };
        Client::connect(&args).await.expect("the gateway takes connections")
    }

    /// A connection with the admin key.
    pub async fn admin(&self) -> Client {
        self.client(&self.admin_key()).await
    }

    /// A connection of an associate of these stores.
    pub async fn associate(&self, subject: &str, stores: &[&str]) -> Client {
        self.client(&self.issuer.associate(subject, stores)).await
    }

    /// A command of the binary about this mesh: its gateway and data folder are in the environment.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = binary::command(self.folder.path());
        command.args(args).env("OMNIMESH_GATEWAY", self.url()).env("OMNIMESH_DATA_DIR", self.data_dir());
        command
    }

    /// Runs a command to its end, on a thread of its own.
    pub async fn run(&self, args: &[&str]) -> Output {
        run(self.command(args)).await
    }
}

/// A command of the binary without any mesh, in a folder.
#[must_use]
pub fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = binary::command(folder);
    command.args(args);
    command
}

/// Runs a command to its end, on a thread of its own.
pub async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().expect("the binary can be started")).await.unwrap()
}

pub(crate) fn is_defect(line: &str) -> bool {
    line.contains("panicked") || line.contains("internal error") || line.contains("made the gateway panic")
}

/// Once for all tests of the process.
fn install_tls() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}
