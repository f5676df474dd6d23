//! How registries are reached: certificates, proxies, patience. All decided by the caller.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dhow_fs::{PathError, Root};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::limits;

/// The bundles of certificates that distributions have, as Go's programs look for them.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// The largest file of certificates.
const FILE_LIMIT: u64 = 16 * 1024 * 1024;

/// How registries are reached.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// Whose certificates are trusted everywhere.
    pub trusted: Trusted,
    /// What is special about a host, by `HOST[:PORT]`.
    pub hosts: BTreeMap<String, HostSettings>,
    /// The registries that may be spoken to in the clear, by `HOST[:PORT]`. This machine always may.
    pub insecure: BTreeSet<String>,
    /// The proxies.
    pub proxies: Proxies,
    /// How long is waited.
    pub patience: Patience,
}

/// What is special about a host.
#[derive(Clone, Debug, Default)]
pub struct HostSettings {
    /// More certificates that are trusted there.
    pub trusted: Trusted,
    /// Who the client is there.
    pub identity: Option<Identity>,
    /// The hosts of token services that may see this registry's credentials.
    pub token_hosts: BTreeSet<String>,
}

/// Certificates that are trusted.
#[derive(Clone, Debug, Default)]
pub struct Trusted {
    certificates: Vec<CertificateDer<'static>>,
    /// Where they came from.
    files: Vec<PathBuf>,
}

/// A client's certificate with its key.
#[derive(Clone)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
}

/// The proxies, as `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` say. Loopback addresses are never asked for through one.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// The proxy for http.
    pub http: Option<String>,
    /// The proxy for https.
    pub https: Option<String>,
    /// The hosts without a proxy, separated by commas.
    pub none_for: Option<String>,
}

/// How long is waited.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Before the second try. It doubles with each further one.
    pub first_wait: Duration,
    /// For a silent connection.
    pub silence: Duration,
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The file cannot be read.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The file has no certificate or no key.
    #[error("{} has no {missing} in PEM form", .file.display())]
    Pem {
        /// The file.
        file: PathBuf,
        /// What it lacks.
        missing: &'static str,
    },
}

impl Trusted {
    /// Returns the certificates of this machine: of `file` if one is given, else of the distribution's bundle.
    ///
    /// A machine without any trusts those that are handed in as `otherwise`.
    pub fn of_machine(
        file: Option<&Path>,
        otherwise: impl IntoIterator<Item = &'static [u8]>,
    ) -> Result<Self, CertificateError> {
        if let Some(file) = file {
            return Self::of_file(file);
        }
        for bundle in BUNDLES.map(Path::new) {
            if Root::host()?.exists(bundle) {
                return Self::of_file(bundle);
            }
        }
        Ok(Self {
            certificates: otherwise.into_iter().map(CertificateDer::from).collect(),
            files: vec![PathBuf::from("dhow's own list")],
        })
    }

    /// Returns the certificates of a file in PEM form.
    pub fn of_file(file: &Path) -> Result<Self, CertificateError> {
        let certificates = certificates(file)?;
        Ok(Self { certificates, files: vec![file.to_owned()] })
    }

    /// Returns these certificates and those.
    #[must_use]
    pub fn and(&self, more: &Self) -> Self {
        Self {
            certificates: [self.certificates.as_slice(), &more.certificates].concat(),
            files: [self.files.as_slice(), &more.files].concat(),
        }
    }

    pub(crate) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// Returns in words what is trusted.
    pub(crate) fn described(&self) -> String {
        match self.files.as_slice() {
            [] => "no certificates".to_owned(),
            files => {
                let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
                format!("the certificates of {}", files.join(", "))
            }
        }
    }
}

impl Identity {
    /// Returns the certificate of one file with the key of another; both may be the same.
    pub fn of_files(certificate: &Path, key: &Path) -> Result<Self, CertificateError> {
        let chain = certificates(certificate)?;
        let bytes = Root::host()?.read(key, FILE_LIMIT)?;
        let missing = |_| CertificateError::Pem { file: key.to_owned(), missing: "private key" };
        let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(missing)?;
        Ok(Self { chain, key: Arc::new(key) })
    }

    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.chain.clone()
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Identity({} certificates)", self.chain.len())
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self { first_wait: Duration::from_millis(300), silence: limits::SILENCE }
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let bytes = Root::host()?.read(file, FILE_LIMIT)?;
    let missing = || CertificateError::Pem { file: file.to_owned(), missing: "certificate" };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(missing)
}
