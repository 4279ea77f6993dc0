//! A channel over all addresses of a service, which follows its DNS names.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use http::Uri;
use tokio::sync::mpsc::Sender;
use tonic::transport::{Channel, Endpoint, channel::Change};

use crate::{lifecycle::Lifecycle, tls::MutualTls};

/// How often names are asked again.
const RESOLVE_EVERY: Duration = Duration::from_secs(10);

type Changes = Sender<Change<SocketAddr, Endpoint>>;

/// A channel that spreads calls over every address that `uris` resolve to, now and later.
pub(super) fn channel(target: &str, uris: Vec<Uri>, tls: Option<MutualTls>, lifecycle: &Lifecycle) -> Channel {
    let (channel, changes) = Channel::balance_channel(64);
    let (target, stop) = (target.to_owned(), lifecycle.token());
    lifecycle.spawn("resolve", async move {
        stop.run_until_cancelled(follow(&target, &uris, tls.as_ref(), changes)).await;
    });
    channel
}

async fn follow(target: &str, uris: &[Uri], tls: Option<&MutualTls>, changes: Changes) {
    let mut known = BTreeSet::new();
    loop {
        let (found, complete) = resolve(target, uris).await;
        for (address, uri) in &found {
            if known.contains(address) {
                continue;
            }
            match endpoint(*address, uri, tls) {
                Ok(endpoint) => {
                    if changes.send(Change::Insert(*address, endpoint)).await.is_err() {
                        return;
                    }
                    known.insert(*address);
                }
                Err(error) => tracing::error!(target_service = target, %error, "the address can't be used"),
            }
        }
        // A name that does not resolve for a moment takes no address away.
        if complete {
            let gone: Vec<SocketAddr> = known.iter().filter(|address| !found.contains_key(address)).copied().collect();
            for address in gone {
                known.remove(&address);
                if changes.send(Change::Remove(address)).await.is_err() {
                    return;
                }
            }
        }
        let wait = if known.is_empty() { Duration::from_secs(1) } else { RESOLVE_EVERY };
        tokio::time::sleep(wait).await;
    }
}

/// Every address with the URI it came from, and whether every name was resolved.
async fn resolve(target: &str, uris: &[Uri]) -> (BTreeMap<SocketAddr, Uri>, bool) {
    let (mut found, mut complete) = (BTreeMap::new(), true);
    for uri in uris {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        match tokio::net::lookup_host((host, port)).await {
            Ok(addresses) => found.extend(addresses.map(|address| (address, uri.clone()))),
            Err(error) => {
                complete = false;
                tracing::warn!(target_service = target, %error, "the address does not resolve");
            }
        }
    }
    (found, complete)
}

fn endpoint(address: SocketAddr, uri: &Uri, tls: Option<&MutualTls>) -> Result<Endpoint, tonic::transport::Error> {
    let endpoint = match tls {
        Some(tls) => Endpoint::from_shared(format!("https://{address}"))?.tls_config(tls.client(uri))?,
        None => Endpoint::from_shared(format!("http://{address}"))?,
    };
    Ok(endpoint
        .origin(uri.clone())
        .connect_timeout(Duration::from_secs(2))
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(true))
}
