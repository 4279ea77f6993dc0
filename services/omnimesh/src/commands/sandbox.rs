//! `omnimesh sandbox`: stand-ins on this machine of systems that the mesh talks to.

use std::{io::Write, net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result};
use omnimesh_profiles::registry::sandbox::Sandbox as Iys;
use omnimesh_trendyol::sandbox::{self as trendyol, Sandbox as Trendyol};
use tokio::net::TcpListener;

use crate::cli::SandboxCommand;

/// Runs a stand-in until the process is ended.
///
/// # Errors
/// If it can't listen where it is told to.
pub async fn sandbox(command: SandboxCommand, out: &mut impl Write) -> Result<()> {
    let stopped = match command {
        SandboxCommand::Iys { listen } => {
            let (listener, url) = bind(listen).await?;
            introduce_iys(&url, out)?;
            Iys::default().serve(listener).await
        }
        SandboxCommand::Trendyol { listen, every } => {
            let (listener, url) = bind(listen).await?;
            introduce_trendyol(&url, out)?;
            let every = (every > 0).then(|| Duration::from_secs(every));
            Trendyol::default().serve(listener, every).await
        }
    };
    stopped.context("the sandbox stopped")
}

async fn bind(listen: SocketAddr) -> Result<(TcpListener, String)> {
    let listener = TcpListener::bind(listen).await.with_context(|| format!("can't listen at {listen}"))?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((listener, url))
}

fn introduce_iys(url: &str, out: &mut impl Write) -> Result<()> {
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
    Ok(out.flush()?)
}

fn introduce_trendyol(url: &str, out: &mut impl Write) -> Result<()> {
    writeln!(out, "Trendyol's sandbox answers at {url}. To have a running mesh pull its orders:")?;
    let account = [
        ("base_url", url),
        ("seller_id", trendyol::SELLER),
        ("api_key", trendyol::API_KEY),
        ("api_secret", trendyol::API_SECRET),
    ];
    let fields: Vec<_> = account.iter().map(|(name, value)| format!("--field {name}={value}")).collect();
    writeln!(out, "  omnimesh channel add trendyol --name Sandbox {}", fields.join(" "))?;
    writeln!(
        out,
        "What it has: {url}/sandbox/state. A new order, and the vendor's refusal of the next three requests:"
    )?;
    writeln!(out, "  curl -X POST {url}/sandbox/orders")?;
    writeln!(
        out,
        "  curl -X PUT {url}/sandbox/faults -H 'content-type: application/json' \\\n    -d '[{{\"fault\":{{\"throttle\":{{\"retry_after\":5}}}},\"times\":3}}]'"
    )?;
    Ok(out.flush()?)
}
