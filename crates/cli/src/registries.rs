//! How dhow reaches registries: what the environment and the files of other tools say.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dhow_fs::Work;
use dhow_oci::{Reference, ReferenceError};
use dhow_registry::{CertificateError, Keychain, Network, Proxies, Registries, RegistryPlace, Secret, Trusted};

use crate::failure::Failure;
use crate::variables::Variables;

/// Returns the registries, of which `insecure` may be spoken to in the clear.
pub(crate) fn registries(variables: &Variables, insecure: &[String]) -> Result<Registries, Failure> {
    let network = Network {
        trusted: trusted(variables)?,
        insecure: insecure.iter().cloned().collect(),
        proxies: proxies(variables),
        ..Network::default()
    };
    Ok(Registries::new(network, Arc::new(keychain(variables))))
}

/// Returns the place of a reference.
pub(crate) fn place(
    registries: &Registries,
    reference: &Reference,
    work: &Arc<Work>,
) -> Result<RegistryPlace, Failure> {
    Ok(RegistryPlace::new(registries.repository(&reference.name)?, work))
}

/// Parses the name of an image in a registry, with or without `docker://`.
pub(crate) fn reference(text: &str) -> Result<Reference, ReferenceError> {
    text.strip_prefix("docker://").unwrap_or(text).parse()
}

fn trusted(variables: &Variables) -> Result<Trusted, CertificateError> {
    let own = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(AsRef::as_ref);
    Trusted::of_machine(variables.given("SSL_CERT_FILE").map(Path::new), own)
}

fn proxies(variables: &Variables) -> Proxies {
    // As curl and Go have it: the name in small letters first.
    let either = |name: &str| {
        let lower = name.to_ascii_lowercase();
        variables.given(&lower).or_else(|| variables.given(name)).map(str::to_owned)
    };
    Proxies { http: either("HTTP_PROXY"), https: either("HTTPS_PROXY"), none_for: either("NO_PROXY") }
}

fn keychain(variables: &Variables) -> Keychain {
    Keychain {
        variable: variables.given("CNB_REGISTRY_AUTH").map(|text| Secret::new(text.to_owned())),
        files: credential_files(variables),
    }
}

/// Returns where credentials may be: a file that was named, then those of Docker and podman.
fn credential_files(variables: &Variables) -> Vec<PathBuf> {
    let path = |name: &str| variables.given(name).map(PathBuf::from);
    let docker = path("DOCKER_CONFIG").or_else(|| path("HOME").map(|home| home.join(".docker")));
    let podman = path("XDG_RUNTIME_DIR").map(|runtime| runtime.join("containers/auth.json"));
    let named = path("REGISTRY_AUTH_FILE");
    named.into_iter().chain(docker.map(|directory| directory.join("config.json"))).chain(podman).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_looked_for_where_docker_and_podman_keep_them() {
        let files = |pairs: &[(&str, &str)]| credential_files(&Variables::of(pairs.iter().copied()));
        let paths = |texts: &[&str]| texts.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(files(&[("HOME", "/h")]), paths(&["/h/.docker/config.json"]));
        assert_eq!(
            files(&[("HOME", "/h"), ("DOCKER_CONFIG", "/d"), ("XDG_RUNTIME_DIR", "/r"), ("REGISTRY_AUTH_FILE", "/f")]),
            paths(&["/f", "/d/config.json", "/r/containers/auth.json"])
        );
        assert_eq!(files(&[("HOME", "")]), paths(&[]));
    }

    #[test]
    fn a_reference_may_say_its_transport() {
        assert_eq!(reference("docker://localhost:5000/app").unwrap(), reference("localhost:5000/app:latest").unwrap());
        assert!(reference("oci:app/").is_err());
    }
}
