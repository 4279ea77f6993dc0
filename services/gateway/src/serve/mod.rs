//! Sockets: accepting, TLS, and connections that behave.

mod connection;
mod tls;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::net::{TcpListener, TcpStream};

pub use tls::TlsError;
pub(crate) use tls::acceptor;

use crate::gateway::Gateway;

/// The wait after a failed accept: usually the process is out of file descriptors.
const BREATH: Duration = Duration::from_millis(100);

impl Gateway {
    /// Serves a socket as a task of the lifecycle. When that stops, no connection is accepted any more, and those there
    /// are finish their calls.
    pub fn serve(&self, listener: TcpListener) {
        let gateway = self.clone();
        self.shared.lifecycle.spawn("gateway", async move {
            let stop = gateway.shared.lifecycle.token();
            stop.run_until_cancelled(gateway.accept(listener)).await;
        });
    }

    async fn accept(&self, listener: TcpListener) {
        loop {
            // A full house accepts nobody: they wait in the listener's queue.
            let Ok(place) = Arc::clone(&self.shared.connections).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let gateway = self.clone();
                    self.shared.lifecycle.spawn("connection", async move {
                        gateway.connection(stream, peer).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(error = %error, "a connection can't be accepted");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }

    async fn connection(&self, stream: TcpStream, peer: SocketAddr) {
        drop(stream.set_nodelay(true));
        let Some(tls) = &self.shared.tls else { return self.speak(stream, peer).await };
        match tokio::time::timeout(self.shared.settings.header_timeout(), tls.accept(stream)).await {
            Ok(Ok(stream)) => self.speak(stream, peer).await,
            Ok(Err(error)) => tracing::debug!(error = %error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }
}
