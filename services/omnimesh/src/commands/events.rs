//! `omnimesh events`: what a service could not take waits, with everything that follows on the same cart or order, until it is
//! replayed. Works on the databases: a mesh that runs on them need not stop.

use std::io::Write;

use anyhow::{Context as _, Result, bail};
use omnimesh_kit::{config::Settings, inbox, lifecycle::Lifecycle};

use crate::{
    cli::{EventsCommand, SettingsArgs},
    mesh,
    targets::SERVICES,
};

/// Runs `omnimesh events …`.
///
/// # Errors
/// If a database can't be reached, or an event fails again; what was replayed before it stays done.
pub async fn events(
    command: EventsCommand,
    load: impl Fn(&SettingsArgs) -> Result<Settings>,
    out: &mut impl Write,
) -> Result<()> {
    match command {
        EventsCommand::Parked { settings } => parked(&load(&settings)?, out).await,
        EventsCommand::Replay { settings, service, aggregate_id } => {
            replay(load(&settings)?, &service, &aggregate_id, out).await
        }
    }
}

async fn parked(settings: &Settings, out: &mut impl Write) -> Result<()> {
    let mut waiting = 0;
    for target in &SERVICES {
        let db = mesh::open(settings, target.migrations).await?;
        for parked in inbox::parked(&mut db.read().await?).await? {
            waiting += 1;
            writeln!(
                out,
                "{:<10} {:<40} from {:<10} since {}  {}",
                target.name, parked.aggregate_id, parked.producer, parked.since, parked.problem
            )?;
        }
        db.close().await;
    }
    if waiting == 0 {
        writeln!(out, "no events wait")?;
    }
    Ok(())
}

async fn replay(settings: Settings, service: &str, aggregate_id: &str, out: &mut impl Write) -> Result<()> {
    let Some(target) = SERVICES.iter().find(|target| target.name == service) else {
        let names: Vec<_> = SERVICES.iter().map(|target| target.name).collect();
        bail!("{service:?} is no service; there are {}", names.join(", "));
    };
    let lifecycle = Lifecycle::new();
    let (db, consumers) = mesh::consumers(settings, target, &lifecycle).await?;
    let mut replayed = 0;
    for consumer in consumers {
        let count = inbox::replay(&db, &consumer, aggregate_id).await;
        replayed += count.map_err(anyhow::Error::from_boxed).context("an event failed again")?;
    }
    lifecycle.token().cancel();
    writeln!(out, "{replayed} events of {aggregate_id} were replayed")?;
    Ok(())
}
