//! SBOM files that buildpacks leave: `{launch,build,<layer>}.sbom.{cdx,spdx,syft}.json`.

use std::path::{Path, PathBuf};

use dhow_cnb::GroupElement;
use dhow_fs::Root;

use super::layers::BuiltLayer;
use crate::go_error::GoPathError;

/// The largest SBOM file that is copied.
const LIMIT: u64 = 1024 * 1024 * 1024;

/// An SBOM file, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SbomFile {
    /// The file.
    path: PathBuf,
    /// The directories below `<layers>/sbom` that get a copy.
    destinations: Vec<PathBuf>,
}

/// An SBOM file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SbomError {
    /// The disk.
    #[error(transparent)]
    Path(#[from] GoPathError),
    /// Its name has no known format.
    #[error("unsupported SBOM file format: '{0}'")]
    Format(String),
    /// Its format is not declared in `buildpack.toml`.
    #[error("validating SBOM file '{path}' for buildpack: '{buildpack}': undeclared SBOM media type: '{media_type}'")]
    Undeclared {
        /// The file.
        path: String,
        /// The buildpack.
        buildpack: String,
        /// The format.
        media_type: &'static str,
    },
}

/// Tells whether a buildpack left anything that looks like an SBOM file.
pub(super) fn has_any(root: &Root, directory: &Path) -> Result<bool, GoPathError> {
    let entries = root.read_directory(directory)?;
    Ok(entries.iter().any(|entry| entry.name.to_str().is_some_and(is_sbom)))
}

/// Finds a buildpack's SBOM files. Those of layers that it doesn't have are not heeded.
///
/// The name of the layer is what stands before the first dot, so that a layer with a dot in its name has no SBOM.
pub(super) fn find(
    root: &Root,
    directory: &Path,
    buildpack: &GroupElement,
    layers: &[BuiltLayer],
) -> Result<Vec<SbomFile>, GoPathError> {
    let own = PathBuf::from(buildpack.id.escaped());
    let mut files = Vec::new();
    for entry in root.read_directory(directory)? {
        let Some(name) = entry.name.to_str().filter(|name| is_sbom(name)) else { continue };
        let layer = name.split('.').next().unwrap_or_default();
        let destinations = match layer {
            "launch" | "build" => vec![Path::new(layer).join(&own)],
            _ => match layers.iter().find(|one| one.name == *layer) {
                Some(one) => of_layer(one).iter().map(|kind| Path::new(kind).join(&own).join(layer)).collect(),
                None => continue,
            },
        };
        files.push(SbomFile { path: directory.join(name), destinations });
    }
    Ok(files)
}

/// Tells whether a name is `*.sbom.*.json`.
fn is_sbom(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".json") else { return false };
    stem.contains(".sbom.")
}

fn of_layer(layer: &BuiltLayer) -> &'static [&'static str] {
    match (layer.file.launch, layer.file.cache) {
        (true, true) => &["launch", "cache"],
        (true, false) => &["launch"],
        (false, true) => &["build", "cache"],
        (false, false) => &["build"],
    }
}

/// Checks that each file has a known format, which `buildpack.toml` declares.
pub(super) fn check(files: &[SbomFile], buildpack: &GroupElement, declared: &[String]) -> Result<(), SbomError> {
    for SbomFile { path, .. } in files {
        let Some((_, media_type)) = format(path) else {
            return Err(SbomError::Format(path.display().to_string()));
        };
        if !declared.iter().any(|one| essence(one) == media_type) {
            let (path, buildpack) = (path.display().to_string(), buildpack.to_string());
            return Err(SbomError::Undeclared { path, buildpack, media_type });
        }
    }
    Ok(())
}

/// Returns a media type without its parameters.
fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_lowercase()
}

fn format(path: &Path) -> Option<(&'static str, &'static str)> {
    let name = path.file_name()?.to_str()?;
    FORMATS.into_iter().find(|(suffix, _)| name.ends_with(&format!(".{suffix}")))
}

const FORMATS: [(&str, &str); 3] = [
    ("sbom.cdx.json", "application/vnd.cyclonedx+json"),
    ("sbom.spdx.json", "application/spdx+json"),
    ("sbom.syft.json", "application/vnd.syft+json"),
];

/// Copies the files below `sbom`, each as `sbom.<format>.json`.
pub(super) fn copy(root: &Root, sbom: &Path, files: &[SbomFile]) -> Result<(), SbomError> {
    for file in files {
        let Some((name, _)) = format(&file.path) else {
            return Err(SbomError::Format(file.path.display().to_string()));
        };
        let bytes = root.read(&file.path, LIMIT).map_err(GoPathError)?;
        for destination in &file.destinations {
            let directory = sbom.join(destination);
            root.create_directories(&directory, 0o777).map_err(GoPathError)?;
            root.write(&directory.join(name), &bytes, 0o666).map_err(GoPathError)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use dhow_cnb::{BuildpackApi, BuildpackId, BuildpackVersion, LayerFile, LayerName};

    use super::*;

    fn layer(name: &str, types: (bool, bool, bool)) -> BuiltLayer {
        let (build, launch, cache) = types;
        BuiltLayer {
            name: LayerName::new(name).unwrap(),
            directory: Path::new("/layers/x_bp").join(name),
            file: LayerFile { build, launch, cache, metadata: None },
        }
    }

    fn element() -> GroupElement {
        GroupElement {
            id: BuildpackId::new("x/bp").unwrap(),
            version: BuildpackVersion::new("1").unwrap(),
            api: BuildpackApi::V0_10.into(),
            homepage: String::new(),
        }
    }

    fn found(names: &[&str], layers: &[BuiltLayer]) -> (tempfile::TempDir, Root, Vec<SbomFile>) {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        let layers_directory = Path::new("/layers/x_bp");
        root.create_directories(layers_directory, 0o755).unwrap();
        for name in names {
            root.write(&layers_directory.join(name), name.as_bytes(), 0o644).unwrap();
        }
        let files = find(&root, layers_directory, &element(), layers).unwrap();
        (directory, root, files)
    }

    #[test]
    fn files_go_where_their_layers_types_say() {
        let layers = [
            layer("all", (true, true, true)),
            layer("c", (false, false, true)),
            layer("rt", (false, true, false)),
            layer("a.dot", (false, true, false)),
        ];
        let names = [
            "launch.sbom.cdx.json",
            "build.sbom.spdx.json",
            "all.sbom.syft.json",
            "c.sbom.cdx.json",
            "rt.sbom.cdx.json",
            "a.dot.sbom.cdx.json",
            "nolayer.sbom.cdx.json",
            "plain.json",
        ];
        let (_directory, root, files) = found(&names, &layers);
        copy(&root, Path::new("/layers/sbom"), &files).unwrap();
        for path in [
            "launch/x_bp/sbom.cdx.json",
            "build/x_bp/sbom.spdx.json",
            "launch/x_bp/all/sbom.syft.json",
            "cache/x_bp/all/sbom.syft.json",
            "build/x_bp/c/sbom.cdx.json",
            "cache/x_bp/c/sbom.cdx.json",
            "launch/x_bp/rt/sbom.cdx.json",
        ] {
            assert!(root.is_file(&Path::new("/layers/sbom").join(path)), "{path}");
        }
        let copies: usize = files.iter().map(|file| file.destinations.len()).sum();
        assert_eq!(copies, 7, "nothing else is copied");
    }

    #[test]
    fn formats_must_be_known_and_declared() {
        let declared = |formats: &[&str]| formats.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let (_directory, _root, files) = found(&["launch.sbom.foo.json"], &[]);
        assert_eq!(
            check(&files, &element(), &[]).unwrap_err().to_string(),
            "unsupported SBOM file format: '/layers/x_bp/launch.sbom.foo.json'"
        );
        let (_directory, _root, files) = found(&["build.sbom.cdx.json"], &[]);
        assert_eq!(
            check(&files, &element(), &declared(&["application/spdx+json"])).unwrap_err().to_string(),
            "validating SBOM file '/layers/x_bp/build.sbom.cdx.json' for buildpack: 'x/bp@1': undeclared SBOM media \
             type: 'application/vnd.cyclonedx+json'"
        );
        let with_version = declared(&["application/vnd.cyclonedx+json;version=1.4"]);
        assert!(check(&files, &element(), &with_version).is_ok());
    }
}
