//! What of an earlier build is restored: pure, from the metadata of app image and cache.

use dhow_cnb::{BuildpackLayer, BuildpackLayers, CacheMetadata, GroupElement, LayerName, LifecycleMetadata, Store};

/// What is restored for one buildpack.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Decision<'a> {
    pub(super) buildpack: &'a GroupElement,
    pub(super) store: Option<&'a Store>,
    /// The layers whose metadata is restored, those of the app image first, by name.
    pub(super) layers: Vec<LayerDecision<'a>>,
}

/// What is restored of one layer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LayerDecision<'a> {
    pub(super) name: &'a LayerName,
    pub(super) metadata: &'a BuildpackLayer,
    pub(super) source: Source,
    pub(super) data: Data,
}

/// Where metadata comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    App,
    Cache,
}

/// What becomes of a layer's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Data {
    /// They are not in the cache. They are not needed either: the layer of the app image is reused by its diffID.
    Leave,
    /// They are restored from the cache.
    Restore,
    /// The cache holds others than the app image has: metadata and files are removed.
    Remove,
}

/// What the decision depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    pub(super) buildpacks: &'a [GroupElement],
    pub(super) app: &'a LifecycleMetadata,
    pub(super) cache: &'a CacheMetadata,
    /// Whether layers are restored at all; `store.toml` always is.
    pub(super) skip_layers: bool,
    /// Whether the cache's metadata serves where the app image's is missing (platform API 0.14).
    pub(super) cache_alone_restores: bool,
}

pub(super) fn decide<'a>(facts: &Facts<'a>) -> Vec<Decision<'a>> {
    let decision = |buildpack: &'a GroupElement| {
        let app = facts.app.buildpack(&buildpack.id);
        let cache = facts.cache.buildpack(&buildpack.id);
        let layers = if facts.skip_layers { Vec::new() } else { layers(facts, app, cache) };
        Decision { buildpack, store: app.and_then(|app| app.store.as_ref()), layers }
    };
    facts.buildpacks.iter().map(decision).collect()
}

fn layers<'a>(
    facts: &Facts<'a>,
    app: Option<&'a BuildpackLayers>,
    cache: Option<&'a BuildpackLayers>,
) -> Vec<LayerDecision<'a>> {
    let cached = |name: &LayerName| cache.and_then(|cache| cache.layers.get(name)).filter(|layer| layer.cache);
    let of_app = app.into_iter().flat_map(|app| &app.layers).filter(|(name, layer)| {
        let is_made_anew = layer.build && !layer.cache;
        layer.launch && !is_made_anew && (!layer.cache || cached(name).is_some())
    });
    let of_cache = cache.into_iter().flat_map(|cache| &cache.layers).filter(|(name, layer)| {
        let app_has_it = app.is_some_and(|app| app.layers.contains_key(*name));
        layer.cache && (!layer.launch || (facts.cache_alone_restores && !app_has_it))
    });
    let with_source = |source| {
        move |(name, metadata): (&'a LayerName, &'a BuildpackLayer)| LayerDecision {
            name,
            metadata,
            source,
            data: match cached(name) {
                None => Data::Leave,
                Some(layer) if layer.sha == metadata.sha => Data::Restore,
                Some(_) => Data::Remove,
            },
        }
    };
    let mut layers: Vec<LayerDecision<'a>> = of_app.map(with_source(Source::App)).collect();
    for layer in of_cache.map(with_source(Source::Cache)) {
        // Its file is written over that of the app image. So what the cache says counts.
        layers.retain(|other| other.name != layer.name);
        layers.push(layer);
    }
    layers
}

#[cfg(test)]
mod tests {
    use super::*;
    use dhow_cnb::BuildpackId;

    fn layer(build: bool, cache: bool, launch: bool, sha: &str) -> BuildpackLayer {
        BuildpackLayer { sha: sha.to_owned(), build, cache, launch, ..BuildpackLayer::default() }
    }

    fn of(layer: Option<BuildpackLayer>) -> Vec<BuildpackLayers> {
        let named = layer.map(|layer| (LayerName::new("l").unwrap(), layer));
        vec![BuildpackLayers {
            key: BuildpackId::new("b").unwrap(),
            version: "1".to_owned(),
            layers: named.into_iter().collect(),
            store: None,
        }]
    }

    fn outcome(
        app: Option<BuildpackLayer>,
        cache: Option<BuildpackLayer>,
        cache_alone_restores: bool,
    ) -> Option<(Source, Data)> {
        let group: Vec<GroupElement> =
            dhow_cnb::Group::parse("[[group]]\nid = \"b\"\nversion = \"1\"\napi = \"0.10\"\n").unwrap().buildpacks;
        let app = LifecycleMetadata { buildpacks: of(app), ..LifecycleMetadata::default() };
        let cache = CacheMetadata { buildpacks: of(cache), ..CacheMetadata::default() };
        let facts = Facts { buildpacks: &group, app: &app, cache: &cache, skip_layers: false, cache_alone_restores };
        decide(&facts)[0].layers.first().map(|layer| (layer.source, layer.data))
    }

    /// The table of the platform specification: build, cache, launch as recorded in the previous image.
    #[test]
    fn the_restore_matrix() {
        let (t, f) = (true, false);
        let app = Some((Source::App, Data::Restore));
        let cache = Some((Source::Cache, Data::Restore));
        let leave = Some((Source::App, Data::Leave));
        let table = [
            (t, t, t, app),
            (t, t, f, cache),
            (t, f, t, None),
            (t, f, f, None),
            (f, t, t, app),
            (f, t, f, cache),
            (f, f, t, leave),
            (f, f, f, None),
        ];
        for (build, cached, launch, expected) in table {
            let recorded = layer(build, cached, launch, "sha256:1");
            let in_app = launch.then(|| recorded.clone());
            let in_cache = cached.then_some(recorded);
            assert_eq!(outcome(in_app, in_cache, true), expected, "{build} {cached} {launch}");
        }
    }

    #[test]
    fn a_launch_layer_that_the_cache_lost_is_not_restored() {
        assert_eq!(outcome(Some(layer(false, true, true, "sha256:1")), None, true), None);
    }

    #[test]
    fn what_the_app_image_lists_is_not_restored_from_it_unless_it_is_a_launch_layer() {
        for (build, cached) in [(false, false), (true, true), (false, true)] {
            assert_eq!(outcome(Some(layer(build, cached, false, "sha256:1")), None, true), None, "{build} {cached}");
        }
    }

    #[test]
    fn what_the_cache_lists_as_not_for_the_cache_counts_as_absent() {
        let listed = || Some(layer(false, false, false, "sha256:1"));
        assert_eq!(outcome(None, listed(), true), None);
        assert_eq!(outcome(Some(layer(false, true, true, "sha256:1")), listed(), true), None);
        let of_app = Some(layer(false, false, true, "sha256:1"));
        assert_eq!(outcome(of_app, listed(), true), Some((Source::App, Data::Leave)));
    }

    #[test]
    fn a_cached_layer_of_another_build_is_removed() {
        let app = layer(false, true, true, "sha256:1");
        let cache = layer(false, true, true, "sha256:2");
        assert_eq!(outcome(Some(app), Some(cache), true), Some((Source::App, Data::Remove)));
    }

    #[test]
    fn the_cache_alone_restores_launch_layers_from_platform_api_0_14() {
        let cached = || Some(layer(false, true, true, "sha256:1"));
        assert_eq!(outcome(None, cached(), true), Some((Source::Cache, Data::Restore)));
        assert_eq!(outcome(None, cached(), false), None);
    }
}
