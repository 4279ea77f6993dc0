//! A Postgres server of one's own, which can be restarted at once.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::ports;

/// Debian keeps the server's programs here, by version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// A running server. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Postgres {
    programs: PathBuf,
    folder: TempDir,
    url: String,
}

impl Postgres {
    /// Makes a new server with the settings that Postgres comes with, and starts it.
    pub(super) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        if is_root() {
            // The server's user has to come in.
            let owned = Command::new("chown").arg(user()).arg(folder.path()).status();
            assert!(owned.is_ok_and(|status| status.success()), "the folder can't be given to {}", user());
        }
        let address = ports::free();
        let url = format!("postgres://postgres@{address}/postgres");
        let server = Self { programs: programs(), folder, url };
        server.run("initdb", &["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"]);
        let sockets = server.folder.path().display();
        let options = format!("-p {} -h 127.0.0.1 -k {sockets} -c max_connections=200", address.port());
        server.run("pg_ctl", &["-w", "start", "-l", &format!("{sockets}/log"), "-o", &options]);
        server
    }

    /// The URL of its first database.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Ends it as a crash does, and starts it again; comes back when it answers.
    pub(super) fn restart_at_once(&self) {
        let log = self.folder.path().join("log");
        self.run("pg_ctl", &["-w", "restart", "-m", "immediate", "-l", &log.display().to_string()]);
    }

    fn run(&self, program: &str, args: &[&str]) {
        let output = self.output(program, args);
        let said = String::from_utf8_lossy(&output.stderr);
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        assert!(output.status.success(), "{program} {args:?} ended with {}: {said}\n{log}", output.status);
    }

    fn output(&self, program: &str, args: &[&str]) -> Output {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            // Postgres refuses to run as root.
            let mut command = Command::new("runuser");
            command.args(["-u", user(), "--"]).arg(&program);
            command
        } else {
            Command::new(&program)
        };
        command.args(args).arg("-D").arg(self.folder.path().join("data")).current_dir(self.folder.path());
        // Not piped: the server inherits what its starter has, and would hold it open.
        let said = self.folder.path().join("said");
        let file = || fs::File::create(&said).unwrap();
        let status = command.stdin(std::process::Stdio::null()).stdout(file()).stderr(file()).status();
        let status = status.unwrap_or_else(|error| panic!("{} can't be started: {error}", program.display()));
        Output { status, stdout: Vec::new(), stderr: fs::read(&said).unwrap_or_default() }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.output("pg_ctl", &["-m", "immediate", "stop"]);
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// The user that the server runs as in place of root.
fn user() -> &'static str {
    let known = Command::new("id").arg("postgres").output().is_ok_and(|output| output.status.success());
    if known { "postgres" } else { "nobody" }
}

/// The folder of initdb and pg_ctl: Debian's newest, or one of the path.
fn programs() -> PathBuf {
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let number = |path: &Path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let mut versions: Vec<_> = versions.filter_map(|entry| Some((number(&entry.path())?, entry.path()))).collect();
    versions.sort();
    let debian = versions.into_iter().rev().map(|(_, path)| path.join("bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    let mut all = debian.chain(env::split_paths(&path));
    all.find(|folder| folder.join("initdb").is_file() && folder.join("pg_ctl").is_file())
        .expect("initdb and pg_ctl of PostgreSQL are installed")
}
