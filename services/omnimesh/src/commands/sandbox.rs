//! `omnimesh sandbox`: stand-ins on this machine of systems that the mesh talks to.

use std::io::Write;

use anyhow::{Context as _, Result};
use omnimesh_profiles::registry::sandbox::Sandbox;
use tokio::net::TcpListener;

use crate::cli::SandboxCommand;

/// Runs a stand-in until the process is ended.
///
/// # Errors
/// If it can't listen where it is told to.
pub async fn sandbox(command: SandboxCommand, out: &mut impl Write) -> Result<()> {
    let SandboxCommand::Iys { listen } = command;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("can't listen at {listen}"))?;
    let url = format!("http://{}", listener.local_addr()?);
    writeln!(out, "İYS' sandbox answers at {url}. To have the mesh ask it, start the mesh with")?;
    writeln!(out, "  OMNIMESH_PROFILES__CONSENTS__REGISTRY=iys")?;
    writeln!(out, "  OMNIMESH_PROFILES__CONSENTS__IYS_URL={url}")?;
    for (name, value) in [("CODE", "123456"), ("BRAND", "654321"), ("USERNAME", "sandbox"), ("PASSWORD", "sandbox")] {
        writeln!(out, "  OMNIMESH_PROFILES__CONSENTS__IYS_{name}={value}")?;
    }
    writeln!(out, "Its consents: {url}/sandbox/consents. An outage:")?;
    writeln!(
        out,
        "  curl -X PUT {url}/sandbox/outage -H 'content-type: application/json' -d '{{\"mode\":\"errors\"}}'"
    )?;
    out.flush()?;
    Sandbox::default().serve(listener).await.context("the sandbox stopped")
}
