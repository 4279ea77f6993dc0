//! A process that a test started: its output is kept, and it ends with the test.

use std::{
    io::{BufRead as _, BufReader, Read},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use crate::wait::eventually;

/// How much of its output is printed when a test fails.
const TAIL: usize = 40;

type Lines = Arc<Mutex<Vec<String>>>;

/// A running process.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    out: Lines,
    log: Lines,
}

impl Process {
    /// Starts it.
    pub(crate) fn start(name: impl Into<String>, command: &mut Command) -> Self {
        let name = name.into();
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{name} can't be started: {error}"));
        let out = keep(child.stdout.take().expect("piped"));
        let log = keep(child.stderr.take().expect("piped"));
        Self { name, child, out, log }
    }

    /// The first line of its standard output for which `find` has an answer.
    pub(crate) async fn said<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let name = self.name.clone();
        eventually(&format!("{name}: {what}"), async || {
            let found = self.out.lock().unwrap().iter().find_map(|line| find(line));
            if found.is_none()
                && let Ok(Some(status)) = self.child.try_wait()
            {
                panic!("{name} ended at its start: {status}");
            }
            found
        })
        .await
    }

    /// What it wrote to standard output.
    pub(crate) fn out(&self) -> Vec<String> {
        self.out.lock().unwrap().clone()
    }

    /// What it wrote to standard error.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// What it wrote to standard error from a line on.
    pub(crate) fn log_from(&self, line: usize) -> Vec<String> {
        self.log.lock().unwrap().get(line..).unwrap_or_default().to_vec()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// How much memory it holds, bytes (resident set).
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
        kilobytes.unwrap_or_default() * 1_024
    }

    /// Ends it at once, as a power cut would.
    pub(crate) fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        // There is no safe call for it in the standard library.
        let asked = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        assert!(asked.is_ok_and(|status| status.success()), "{} can't be told to stop", self.name);
        eventually(&format!("{} stops", self.name), async || self.child.try_wait().unwrap()).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            let log = self.log();
            eprintln!("---- {}: the last of {} lines", self.name, log.len());
            for line in log.iter().skip(log.len().saturating_sub(TAIL)) {
                eprintln!("{line}");
            }
        }
    }
}

/// Reads to the end on a thread of its own, so that the process never waits for its reader.
fn keep(stream: impl Read + Send + 'static) -> Lines {
    let lines = Lines::default();
    let kept = Arc::clone(&lines);
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            kept.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
        }
    });
    lines
}
