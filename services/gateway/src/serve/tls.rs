//! TLS at the edge, with ALPN for HTTP/2 and HTTP/1.1.

use std::{path::PathBuf, sync::Arc};

use omnimesh_kit::config::Tls;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio_rustls::TlsAcceptor;

/// A certificate that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file can't be read as PEM.
    #[error("{path}: {source}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// Certificate and key do not make a server.
    #[error("the certificate can't be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// What takes TLS connections with that certificate.
pub(crate) fn acceptor(tls: &Tls) -> Result<TlsAcceptor, TlsError> {
    let pem = |path: &PathBuf, source| TlsError::Pem { path: path.clone(), source };
    let chain = CertificateDer::pem_file_iter(&tls.cert_file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| pem(&tls.cert_file, source))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key_file).map_err(|source| pem(&tls.key_file, source))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
