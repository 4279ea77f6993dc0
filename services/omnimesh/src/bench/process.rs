//! Processes that a bench started: they end with it, and what they use is read from `/proc`.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdout, Command},
};

/// How long a process may take to say that it is up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Linux counts a process's CPU time in hundredths of a second, on every architecture.
const TICKS_PER_SECOND: u64 = 100;

/// A running process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) name: String,
    child: Child,
    id: u32,
    // Kept so that it never meets a closed pipe.
    _out: tokio::io::Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts this same program with other arguments and waits until it says that it is up. Gives what of its output was
    /// found.
    pub(super) async fn start<T>(
        name: &str,
        folder: &Path,
        prepare: impl FnOnce(&mut Command),
        found: impl Fn(&str) -> Option<T>,
    ) -> Result<(Self, Option<T>)> {
        let log = folder.join(format!("{name}.log"));
        let mut command = Command::new(std::env::current_exe()?);
        command.current_dir(folder).kill_on_drop(true);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(&log)?);
        // The settings of the person at the terminal are none of its own.
        for (variable, _) in std::env::vars_os() {
            if variable.to_str().is_some_and(|name| name.starts_with("OMNIMESH_") || name.starts_with("OTEL_")) {
                command.env_remove(variable);
            }
        }
        prepare(&mut command);
        let mut child = command.spawn().with_context(|| format!("{name} can't be started"))?;
        let id = child.id().context("a process without an id")?;
        let out = child.stdout.take().context("a process without output")?;
        let mut out = BufReader::new(out).lines();
        let listening = async {
            let mut answer = None;
            while let Some(line) = out.next_line().await? {
                answer = answer.or_else(|| found(&line));
                // The banner's last line, or a reference's only one.
                if line.starts_with("stop it") || (line.starts_with("http://") && line.ends_with(" is up")) {
                    return Ok(answer);
                }
            }
            bail!("{name} ended at its start:\n{}", tail(&log))
        };
        let answer = tokio::time::timeout(PATIENCE, listening)
            .await
            .with_context(|| format!("{name} did not say that it is up:\n{}", tail(&log)))??;
        Ok((Self { name: name.to_owned(), child, id, _out: out }, answer))
    }

    /// Asks it to end, and waits until it has.
    pub(super) async fn stop(mut self) -> Result<()> {
        // There is no safe call for it in the standard library.
        let asked = Command::new("kill").arg("-TERM").arg(self.id.to_string()).status().await?;
        if !asked.success() || tokio::time::timeout(PATIENCE, self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(())
    }

    /// CPU time used so far.
    pub(super) fn cpu(&self) -> Duration {
        cpu(&format!("/proc/{}/stat", self.id)).unwrap_or_default()
    }

    /// Memory held, bytes (resident set).
    pub(super) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id)).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
        kilobytes.unwrap_or_default() * 1_024
    }
}

/// CPU time of this process.
pub(super) fn own_cpu() -> Duration {
    cpu("/proc/self/stat").unwrap_or_default()
}

/// CPU time of a process of that name on this machine; none if there is no such.
pub(super) fn cpu_of(id: i32, name: &str) -> Option<Duration> {
    let path = PathBuf::from(format!("/proc/{id}/comm"));
    fs::read_to_string(path).ok().filter(|found| found.trim() == name)?;
    cpu(&format!("/proc/{id}/stat"))
}

fn cpu(path: &str) -> Option<Duration> {
    parse_cpu(&fs::read_to_string(path).ok()?)
}

/// User and system time: the 14th and 15th field of `/proc/<pid>/stat`. The second may hold blanks and ends with the last `)`.
fn parse_cpu(stat: &str) -> Option<Duration> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 1_000 / TICKS_PER_SECOND))
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_user_and_system_time() {
        let stat = "4242 (omni (x) mesh) S 1 4242 4242 0 -1 4194560 100 200 0 0 150 25 3 4 20 0 9 0 100 1000 10 1844";
        assert_eq!(parse_cpu(stat), Some(Duration::from_millis(1_750)));
        assert_eq!(parse_cpu("4242"), None);
        assert_eq!(parse_cpu(""), None);
    }

    #[test]
    fn this_process_has_used_some() {
        assert!(cpu_of(i32::try_from(std::process::id()).unwrap(), "no such name").is_none());
        assert!(cpu("/proc/self/stat").is_some());
    }
}
