//! What this lifecycle is and which APIs it speaks: `lifecycle.toml`.

use dhow_cnb::{BuildpackApi, PlatformApi};

/// The version of this lifecycle: that of the reference whose behaviour it has, because platforms choose by it how they
/// run the phases, and dhow's own as build metadata, which counts in no comparison.
pub const VERSION: &str = concat!("0.21.17+dhow.", env!("CARGO_PKG_VERSION"));

/// Returns `lifecycle.toml`, which stands beside the programs.
#[must_use]
pub fn lifecycle_toml() -> String {
    format!(
        "[apis]\n[apis.buildpack]\n  deprecated = []\n  supported = [{buildpack}]\n[apis.platform]\n  deprecated = []\n  \
         supported = [{platform}]\n\n[api]\n  platform = \"{oldest_platform}\"\n  buildpack = \"{oldest_buildpack}\"\n\n\
         [lifecycle]\n  version = \"{VERSION}\"\n",
        buildpack = quoted(&buildpack_apis()),
        platform = quoted(&platform_apis()),
        oldest_platform = PlatformApi::ALL[0],
        oldest_buildpack = BuildpackApi::ALL[0],
    )
}

fn buildpack_apis() -> Vec<String> {
    BuildpackApi::ALL.iter().map(ToString::to_string).collect()
}

fn platform_apis() -> Vec<String> {
    PlatformApi::ALL.iter().map(ToString::to_string).collect()
}

fn quoted(versions: &[String]) -> String {
    versions.iter().map(|version| format!("\"{version}\"")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_lists_every_version_spoken_and_parses() {
        let document = dhow_cnb::toml_read::parse(&lifecycle_toml()).unwrap();
        let table = dhow_cnb::toml_read::Fields::of(&document).raw();
        let supported = |kind: &str| table["apis"][kind]["supported"].as_array().unwrap().len();
        assert_eq!((supported("platform"), supported("buildpack")), (9, 6));
        assert_eq!(table["api"]["platform"].as_str(), Some("0.7"));
        assert_eq!(table["lifecycle"]["version"].as_str(), Some(VERSION));
    }
}
