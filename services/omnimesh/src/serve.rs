//! `omnimesh serve`: starts, says where it is and what to try, runs until told to stop.

use std::{io::Write as _, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use omnimesh_kit::{config::Settings, lifecycle::Lifecycle, telemetry};

use crate::{
    cli::ServeArgs,
    first_start::{self, Keys},
    mesh::Mesh,
    targets,
};

/// How long a process that was told to stop is not ready before it stops taking calls. Balancers look elsewhere in it.
const GRACE: Duration = Duration::from_secs(2);
/// How long calls under way may take to end.
const DRAIN: Duration = Duration::from_secs(20);

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// If settings are wrong or the start fails; the text says what to do.
pub async fn serve(args: &ServeArgs) -> Result<()> {
    let sources = targets::sources(args.settings.config.clone(), args.flags());
    let settings = Arc::new(Settings::load(&sources)?);
    let label = match settings.targets.as_slice() {
        _ if settings.runs_all() => "all".to_owned(),
        targets => targets.join("-"),
    };
    let telemetry = telemetry::init(&settings.log, &label)?;
    raise_open_files();
    let lifecycle = Lifecycle::new();
    let result = run(args, settings, &lifecycle).await;
    if result.is_err() {
        lifecycle.shutdown(DRAIN).await;
    }
    telemetry.shutdown().await;
    result
}

/// Each connection is an open file. Shells and service managers often allow 1,024 of them, fewer than a gateway takes, and let
/// a process ask for more.
fn raise_open_files() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(files) => tracing::debug!(files, "files that may be open"),
        Err(error) => tracing::warn!(error = %error, "no more files may be open than at the start"),
    }
}

async fn run(args: &ServeArgs, settings: Arc<Settings>, lifecycle: &Lifecycle) -> Result<()> {
    // From the very start, so that a signal during the start ends it in order too.
    let grace = if settings.runs_all() && settings.is_development() { Duration::ZERO } else { GRACE };
    let stopped = lifecycle.run_until_signal(grace, DRAIN);
    let started = async {
        let mesh = Mesh::start(Arc::clone(&settings), lifecycle).await?;
        let keys = match &mesh.sessions {
            Some(db) => first_start::keys(db, &settings).await?,
            None => None,
        };
        if let (Some(keys), Some(gateway), true) = (&keys, mesh.gateway, settings.is_development() && !args.no_demo) {
            first_start::demo(gateway, &settings, keys).await.context("the demo data can't be loaded")?;
        }
        banner(&settings, &mesh, keys.as_ref())?;
        Ok::<_, anyhow::Error>(())
    };
    tokio::pin!(stopped);
    tokio::select! {
        result = started => result?,
        ended = &mut stopped => {
            ended?;
            return Ok(());
        }
    }
    stopped.await?;
    Ok(())
}

/// What a person at the terminal wants to know. Standard output is only this: logs go to standard error.
fn banner(settings: &Settings, mesh: &Mesh, keys: Option<&Keys>) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let targets = if settings.runs_all() { "all services".to_owned() } else { settings.targets.join(", ") };
    writeln!(out, "omnimesh {} is up: {targets}", env!("CARGO_PKG_VERSION"))?;
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    if let Some(address) = mesh.gateway {
        writeln!(out, "  gateway      {scheme}://{address}  (gRPC, gRPC-Web and Connect)")?;
    }
    if let Some(address) = mesh.internal {
        writeln!(out, "  services     http://{address}  (for the other processes)")?;
    }
    let stores = match (&settings.database_url, &settings.redis_url) {
        (None, None) => "embedded".to_owned(),
        (Some(_), None) => "Postgres".to_owned(),
        (None, Some(_)) => "embedded, Redis".to_owned(),
        (Some(_), Some(_)) => "Postgres and Redis".to_owned(),
    };
    writeln!(out, "  stores       {stores}; data folder {}", settings.data_dir.display())?;
    let admin = first_start::admin_key_file(settings);
    if admin.exists() {
        writeln!(out, "  admin key    in {} (readable by you only)", admin.display())?;
    }
    let publishable = first_start::publishable_key_file(settings);
    let publishable = match keys {
        Some(keys) => Some(keys.publishable.clone()),
        None => std::fs::read_to_string(publishable).ok(),
    };
    if let (Some(key), Some(address)) = (publishable, mesh.gateway) {
        let key = key.trim();
        writeln!(out, "  web key      {key}  (publishable: starts sessions, nothing else)")?;
        writeln!(out, "try it:")?;
        writeln!(out, "  omnimesh tour --gateway {scheme}://{address} --data-dir {}", settings.data_dir.display())?;
        writeln!(
            out,
            "  curl {scheme}://{address}/omnimesh.sessions.v1.SessionService/StartSession -H 'authorization: Bearer {key}' \\\n    -H 'content-type: application/json' -d '{{\"channel\":\"CHANNEL_WEB\",\"deviceClass\":\"DEVICE_CLASS_DESKTOP\"}}'"
        )?;
    }
    writeln!(out, "stop it with Ctrl-C; `omnimesh --help` has the commands")?;
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rlimit::{Resource, getrlimit, setrlimit};

    #[test]
    fn as_many_files_may_be_open_as_the_system_lets() {
        let (_, hard) = getrlimit(Resource::NOFILE).unwrap();
        setrlimit(Resource::NOFILE, hard / 2, hard).unwrap();
        super::raise_open_files();
        assert_eq!(getrlimit(Resource::NOFILE).unwrap(), (hard, hard));
    }
}
