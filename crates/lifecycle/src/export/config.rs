//! The app image's config as an edit of the run image's.

use dhow_cnb::places;
use dhow_oci::{ContainerConfig, History, ImageConfig, LayerRef, RootFs, Unknown};

/// What becomes of the run image's history (platform API 0.12 changed it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HistoryRule {
    /// The run image's entries stay, less those without layer; new layers say who made them.
    Keep,
    /// Every layer has an entry that states its time alone.
    Blank,
}

/// What an app image states beyond its run image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigEdits {
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) working_directory: String,
    pub(crate) entrypoint: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) created: String,
    pub(crate) history: HistoryRule,
}

/// Returns the config of the app image: `base` with `edits`, and one history entry for each of `added`.
///
/// Keys that the reference does not know are dropped, as it drops them. The diffIDs are set when layers are joined.
pub(crate) fn app_config(base: &ImageConfig, edits: &ConfigEdits, added: &[String]) -> ImageConfig {
    let mut config = ImageConfig {
        container: String::new(),
        created: Some(edits.created.clone()),
        history: history(base, edits, added),
        unknown: Unknown::default(),
        rootfs: RootFs { unknown: Unknown::default(), ..base.rootfs.clone() },
        config: ContainerConfig {
            cmd: Vec::new(),
            entrypoint: vec![edits.entrypoint.clone()],
            working_dir: edits.working_directory.clone(),
            unknown: Unknown::default(),
            ..base.config.clone()
        },
        ..base.clone()
    };
    for (name, value) in &edits.environment {
        config.set_env(name, value);
    }
    let path = config.env("PATH").unwrap_or_default();
    let path = format!("{}:{}:{path}", places::PROCESS_DIRECTORY, places::LIFECYCLE_DIRECTORY);
    config.set_env("PATH", &path);
    config.config.labels.extend(edits.labels.iter().cloned());
    config
}

fn history(base: &ImageConfig, edits: &ConfigEdits, added: &[String]) -> Vec<History> {
    let blank = || History { created: Some(edits.created.clone()), ..History::default() };
    let base_layers = base.rootfs.diff_ids.len();
    if edits.history == HistoryRule::Blank {
        return (0..base_layers + added.len()).map(|_| blank()).collect();
    }
    let kept: Vec<&History> = base.history.iter().filter(|entry| !entry.empty_layer).collect();
    let mut history: Vec<History> = if kept.len() == base_layers {
        let known = |entry: &History| History {
            created: Some(edits.created.clone()),
            unknown: Unknown::default(),
            ..entry.clone()
        };
        kept.into_iter().map(known).collect()
    } else {
        (0..base_layers).map(|_| blank()).collect()
    };
    history.extend(added.iter().map(|created_by| History { created_by: created_by.clone(), ..blank() }));
    history
}

/// Returns the diffID of the run image's last layer, as the label `runImage.topLayer` has it; `""` without layers.
pub(crate) fn top_layer(layers: &[LayerRef]) -> String {
    layers.last().map(|layer| layer.diff_id.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {

    use super::*;

    fn edits(history: HistoryRule) -> ConfigEdits {
        ConfigEdits {
            environment: vec![("A".to_owned(), "1".to_owned()), ("B".to_owned(), "2".to_owned())],
            working_directory: "/workspace".to_owned(),
            entrypoint: places::LAUNCHER.to_owned(),
            labels: vec![("k".to_owned(), "first".to_owned()), ("k".to_owned(), "last".to_owned())],
            created: "1980-01-01T00:00:01Z".to_owned(),
            history,
        }
    }

    fn base(json: &str) -> ImageConfig {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_path_with_an_equals_sign_is_kept_whole() {
        let config = app_config(
            &base(r#"{"architecture":"a","os":"linux","config":{"Env":["B=0","PATH=/opt/a=b/bin","X=y"]}}"#),
            &edits(HistoryRule::Keep),
            &[],
        );
        let expected = ["B=2", "PATH=/cnb/process:/cnb/lifecycle:/opt/a=b/bin", "X=y", "A=1"];
        assert_eq!(config.config.env, expected);
        assert_eq!(config.label("k"), Some("last"));
    }

    #[test]
    fn without_path_one_is_appended_with_an_empty_last_part() {
        let config =
            app_config(&base(r#"{"architecture":"a","os":"linux","config":{}}"#), &edits(HistoryRule::Keep), &[]);
        assert_eq!(config.config.env, ["A=1", "B=2", "PATH=/cnb/process:/cnb/lifecycle:"]);
    }

    #[test]
    fn a_base_history_that_does_not_fit_its_layers_becomes_blank() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let text = format!(
            r#"{{"architecture":"a","os":"linux","history":[{{"created_by":"x"}},{{"created_by":"e","empty_layer":true}}],
               "rootfs":{{"type":"layers","diff_ids":["{digest}","{digest}"]}}}}"#
        );
        let config = app_config(&base(&text), &edits(HistoryRule::Keep), &["new".to_owned()]);
        let words: Vec<&str> = config.history.iter().map(|entry| entry.created_by.as_str()).collect();
        assert_eq!(words, ["", "", "new"]);
        let config = app_config(&base(&text), &edits(HistoryRule::Blank), &["new".to_owned()]);
        assert!(config.history.iter().all(|entry| entry.created_by.is_empty()));
        assert_eq!(config.history.len(), 3);
    }
}
