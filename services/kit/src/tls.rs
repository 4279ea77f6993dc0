//! Mutual TLS between the processes of the mesh: each shows a certificate that the mesh's own authority signed.

use std::{fmt, io, path::Path, sync::Arc, time::Duration};

use http::Uri;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

use crate::config::{Error, InternalTls};

/// A peer that does not finish its handshake is cut off.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// This process's certificate and the authority it trusts. The files are read once: after a renewal the process starts anew.
#[derive(Clone)]
pub struct MutualTls {
    identity: Identity,
    authority: Certificate,
    client: Arc<ClientConfig>,
}

impl fmt::Debug for MutualTls {
    // The private key is in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MutualTls").finish_non_exhaustive()
    }
}

impl MutualTls {
    /// Reads and checks the files that `internal_tls` names.
    ///
    /// # Errors
    /// If one can't be read, or they don't make a certificate with its key and an authority.
    pub fn load(files: &InternalTls) -> Result<Self, Error> {
        let read = |key: &str, path: &Path| {
            std::fs::read(path).map_err(|error| {
                Error::at(format!("internal_tls.{key}"), format!("{} can't be read: {error}", path.display()))
            })
        };
        let (chain, key) = (read("cert_file", &files.cert_file)?, read("key_file", &files.key_file)?);
        let authority = read("ca_file", &files.ca_file)?;
        let problem = |cause: String| {
            let problem =
                "cert_file must be a PEM chain, key_file its PEM key, and ca_file the PEM certificate of the authority";
            Error::at("internal_tls", format!("{problem}: {cause}"))
        };
        let client = Arc::new(client(&chain, &key, &authority).map_err(|error| problem(error.to_string()))?);
        let (identity, authority) = (Identity::from_pem(chain, key), Certificate::from_pem(authority));
        // No error: it was installed before.
        drop(ring::default_provider().install_default());
        let tls = Self { identity, authority, client };
        match Server::builder().tls_config(tls.server()) {
            Ok(_) => Ok(tls),
            Err(error) => {
                let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
                Err(problem(cause))
            }
        }
    }

    /// Peers without a certificate of the authority are refused.
    pub(crate) fn server(&self) -> ServerTlsConfig {
        ServerTlsConfig::new().identity(self.identity.clone()).client_ca_root(self.authority.clone()).timeout(HANDSHAKE)
    }

    /// Speaks TLS on a connection. The server's certificate must be for the host that the address names.
    pub(crate) async fn connect(&self, address: &Uri, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let host = address.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(self.client.clone()).connect(name, stream).await
    }
}

fn client(chain: &[u8], key: &[u8], authority: &[u8]) -> Result<ClientConfig, Box<dyn std::error::Error>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority) {
        roots.add(certificate?)?;
    }
    let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>()?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key)?)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use omnimesh_proto::events::v1::{
        EventsSinceRequest, event_log_service_client::EventLogServiceClient,
        event_log_service_server::EventLogServiceServer,
    };
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use tempfile::TempDir;
    use tokio::net::TcpListener;
    use tonic::{
        Code, Status,
        service::Routes,
        transport::{ClientTlsConfig, Endpoint},
    };

    use super::*;
    use crate::{
        auth::TokenKey,
        call::Call,
        clock::Clock,
        lifecycle::Lifecycle,
        links::{Addresses, Links},
        outbox::EventLog,
        secrets::Secrets,
        server::ServerSettings,
        store::Migrations,
        testing::{self, Backend, TestDb},
    };

    struct Authority {
        issuer: Issuer<'static, KeyPair>,
        folder: TempDir,
    }

    impl Authority {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let certificate = params.self_signed(&key).unwrap();
            std::fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
            Self { issuer: Issuer::new(params, key), folder }
        }

        fn file(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        /// A certificate for a host, in files beside the authority's own.
        fn sign(&self, host: &str) -> InternalTls {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
            let certificate = params.signed_by(&key, &self.issuer).unwrap();
            let (cert_file, key_file) = (self.file(&format!("{host}.pem")), self.file(&format!("{host}.key")));
            std::fs::write(&cert_file, certificate.pem()).unwrap();
            std::fs::write(&key_file, key.serialize_pem()).unwrap();
            InternalTls { cert_file, key_file, ca_file: self.file("ca.pem") }
        }
    }

    struct Process {
        keys: TokenKey,
        life: Lifecycle,
        port: u16,
        _db: TestDb,
    }

    impl Process {
        async fn start(tls: &InternalTls) -> Self {
            let db = testing::db(&Migrations { service: "orders", postgres: &[], sqlite: &[] }, Backend::Sqlite).await;
            let (keys, life) = (TokenKey::new(&Secrets::from_root([7; 32]), Clock::System), Lifecycle::new());
            let server = crate::server::Server::new(ServerSettings::default(), keys.clone(), life.clone())
                .with_tls(Some(MutualTls::load(tls).unwrap()));
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let log = Routes::new(EventLogServiceServer::new(EventLog::new(db.db.clone())));
            server.serve(listener, vec![server.stack("orders", log)]);
            Self { keys, life, port, _db: db }
        }

        async fn ask(&self, scheme: &str, tls: Option<&InternalTls>) -> Result<(), Status> {
            let address = format!("{scheme}://localhost:{}", self.port).parse().unwrap();
            let addresses = Addresses::from([("orders".to_owned(), vec![address])]);
            let tls = tls.map(|tls| MutualTls::load(tls).unwrap());
            let links = Links::new(self.keys.clone(), addresses, self.life.clone()).with_tls(tls).of("carts");
            let mut client = EventLogServiceClient::new(links.to("orders", &Call::system("carts")));
            client.events_since(EventsSinceRequest::default()).await.map(drop)
        }
    }

    #[tokio::test]
    async fn only_processes_with_a_certificate_of_the_authority_talk() {
        let (ours, theirs) = (Authority::new(), Authority::new());
        let (orders, stranger) = (ours.sign("localhost"), theirs.sign("localhost"));
        let carts = ours.sign("carts");
        let process = Process::start(&orders).await;
        let refused =
            |status: Result<(), Status>, why: &str| assert_eq!(status.unwrap_err().code(), Code::Unavailable, "{why}");

        process.ask("https", Some(&carts)).await.unwrap();
        refused(process.ask("http", None).await, "a peer without TLS");
        refused(process.ask("https", Some(&stranger)).await, "a peer of another authority");
        // It trusts the right authority and shows a certificate of another.
        let disguised = InternalTls { ca_file: carts.ca_file.clone(), ..stranger.clone() };
        refused(process.ask("https", Some(&disguised)).await, "a certificate of another authority");
        process.ask("https", Some(&carts)).await.unwrap();

        // A client that believes the server, and shows nothing.
        let bare = ClientTlsConfig::new().ca_certificate(MutualTls::load(&carts).unwrap().authority);
        let address = format!("https://localhost:{}", process.port);
        let endpoint = Endpoint::from_shared(address).unwrap().tls_config(bare).unwrap();
        let mut client = EventLogServiceClient::new(endpoint.connect_lazy());
        let status = client.events_since(EventsSinceRequest::default()).await.unwrap_err();
        assert!(status.code() != Code::Unauthenticated, "it came through to the services: {status}");

        // A server whose certificate is for another host, or of another authority.
        for (tls, why) in [(&carts, "another host"), (&stranger, "another authority")] {
            let server = Process::start(tls).await;
            let client = InternalTls { ca_file: ours.file("ca.pem"), ..carts.clone() };
            refused(server.ask("https", Some(&client)).await, why);
        }
    }

    #[test]
    fn files_that_are_no_certificates_are_named() {
        let ours = Authority::new();
        let good = ours.sign("orders");
        let missing = InternalTls { key_file: ours.file("none"), ..good.clone() };
        assert!(MutualTls::load(&missing).unwrap_err().to_string().contains("internal_tls.key_file"));
        std::fs::write(ours.file("empty.pem"), "").unwrap();
        let other = InternalTls { key_file: ours.sign("carts").key_file, ..good.clone() };
        let empty = InternalTls { ca_file: ours.file("empty.pem"), ..good.clone() };
        for bad in [InternalTls { cert_file: ours.file("empty.pem"), ..good.clone() }, empty, other] {
            let error = MutualTls::load(&bad).unwrap_err().to_string();
            assert!(error.contains("internal_tls (OMNIMESH_INTERNAL_TLS)"), "{error}");
        }
        MutualTls::load(&good).unwrap();
    }
}
