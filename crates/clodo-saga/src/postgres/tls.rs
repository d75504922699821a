use super::{failure::Fault, options::PostgresOptions};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use rustls_platform_verifier::BuilderVerifierExt as _;
use std::{path::Path, sync::Arc};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How to encrypt, if the URL asks for that: the server's certificate and name are always checked.
pub(super) fn connector(options: &PostgresOptions) -> Result<Option<MakeRustlsConnect>, Fault> {
    if options.config.get_ssl_mode() == tokio_postgres::config::SslMode::Disable {
        return Ok(None);
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::Tls(error.into()))?;
    let config = match &options.root_certificates {
        Some(path) => builder.with_root_certificates(roots(path)?).with_no_client_auth(),
        None => {
            let system = builder.with_platform_verifier();
            system.map_err(|error| Fault::Tls(error.into()))?.with_no_client_auth()
        }
    };
    Ok(Some(MakeRustlsConnect::new(config)))
}

fn roots(path: &Path) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| Fault::Tls(error);
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| failed(error.into()))? {
        let certificate = certificate.map_err(|error| failed(error.into()))?;
        roots.add(certificate).map_err(|error| failed(error.into()))?;
    }
    Ok(roots)
}
