//! TLS to PostgreSQL.
//!
//! Decides which certificates are accepted: all of them under `require`, as the server's clients do,
//! else those of a known authority and, under `verify-full`, of this host.

use std::sync::Arc;

use parking_lot::Mutex;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::postgres_url::Asks;

/// What connects as asked; an error says what is wrong with the authorities.
pub(crate) async fn connector(
    asks: Asks,
    roots: Option<String>,
) -> Result<MakeRustlsConnect, String> {
    let roots = match asks {
        Asks::Nothing => None,
        Asks::Authority | Asks::AuthorityAndHost => {
            // files are read
            let read = tokio::task::spawn_blocking(move || authorities(roots.as_deref())).await;
            Some(read.map_err(|error| error.to_string())??)
        }
    };
    let config = config(asks, roots).map_err(|error| error.to_string())?;
    Ok(MakeRustlsConnect::new(config))
}

fn config(asks: Asks, roots: Option<Arc<RootCertStore>>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = roots.map(|roots| {
        let builder = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
        builder
            .build()
            .map_err(|error| Error::General(error.to_string()))
    });
    let verifier = Verifier {
        chain: chain.transpose()?,
        checks_host: asks == Asks::AuthorityAndHost,
        provider: Arc::clone(&provider),
    };
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

/// The authorities of a file, or of the system, which are read once.
fn authorities(file: Option<&str>) -> Result<Arc<RootCertStore>, String> {
    static SYSTEM: Mutex<Option<Arc<RootCertStore>>> = Mutex::new(None);
    let Some(file) = file else {
        let mut system = SYSTEM.lock();
        if let Some(known) = system.as_ref() {
            return Ok(Arc::clone(known));
        }
        let read = store(rustls_native_certs::load_native_certs().certs)?;
        return Ok(Arc::clone(system.insert(read)));
    };
    let unreadable = |error: &dyn std::fmt::Display| format!("sslrootcert {file}: {error}");
    let read = CertificateDer::pem_file_iter(file).map_err(|error| unreadable(&error))?;
    let read: Result<Vec<_>, _> = read.collect();
    store(read.map_err(|error| unreadable(&error))?)
}

fn store(certificates: Vec<CertificateDer<'static>>) -> Result<Arc<RootCertStore>, String> {
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(certificates);
    if added == 0 {
        return Err("no certificate of an authority was found".to_owned());
    }
    Ok(Arc::new(store))
}

#[derive(Debug)]
struct Verifier {
    /// `None` accepts every chain.
    chain: Option<Arc<WebPkiServerVerifier>>,
    checks_host: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        let verified =
            chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // looked at last, when the chain was found good
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.checks_host => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
