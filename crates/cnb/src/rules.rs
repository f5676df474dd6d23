//! What each API version means, as named facts. The only place that compares versions.

use crate::{BuildpackApi, PlatformApi};

macro_rules! rules {
    ($(#[$outer:meta])* $name:ident of $api:ty { $($(#[$doc:meta])* $fact:ident since $version:ident,)* }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name {
            /// The version that these facts are of.
            pub api: $api,
            $($(#[$doc])* pub $fact: bool,)*
        }

        impl $name {
            /// Returns the facts of a version.
            #[must_use]
            pub fn of(api: $api) -> Self {
                Self { api, $($fact: api >= <$api>::$version,)* }
            }
        }
    };
}

rules! {
    /// The facts of a Platform API version.
    PlatformRules of PlatformApi {
        /// SBOM files are copied, exported as a layer, and restored.
        sbom_layers since V0_8,
        /// The analyzer knows `-skip-layers` and `-launch-cache`.
        analyzer_skip_layers since V0_9,
        /// `SOURCE_DATE_EPOCH` sets the image's time.
        reproducible_time since V0_9,
        /// Bills of materials of the old kind go to `sbom.legacy.json` and out of label and report.
        legacy_bom_files since V0_9,
        /// A process's command is a list, and its arguments can be replaced at launch.
        command_arrays since V0_10,
        /// Image extensions, `-build-image`, `-generated`.
        extensions since V0_10,
        /// The creator runs the restorer even when layers are skipped.
        creator_always_restores since V0_10,
        /// The detector takes `-analyzed`.
        detector_reads_analyzed since V0_10,
        /// `-build-config`.
        build_config_flag since V0_11,
        /// The lifecycle's and the launcher's own SBOMs enter the image.
        lifecycle_sboms since V0_11,
        /// `run.toml` names the run images, instead of `stack.toml`.
        run_toml since V0_12,
        /// Targets decide which buildpacks fit, instead of stacks.
        has_targets since V0_12,
        /// `-layout` and `-layout-dir`.
        layout_flags since V0_12,
        /// The history of the run image is kept.
        keeps_base_history since V0_12,
        /// The rebaser checks targets and names, takes `-force`, and copies `io.buildpacks.base.*`.
        rebase_checks_targets since V0_12,
        /// The run image can be extended.
        run_image_extension since V0_12,
        /// Extensions need no experimental mode.
        stable_extensions since V0_13,
        /// Each extension's files are generated into a directory of its own.
        generated_by_extension since V0_13,
        /// `-insecure-registry`.
        insecure_registries since V0_13,
        /// A replaced cache image is kept.
        keeps_old_cache_image since V0_13,
        /// The restorer checks that the run image of `run.toml` can still be read.
        restorer_checks_run_image since V0_14,
        /// The cache's metadata alone restores layers that are for launch and for the cache.
        cache_alone_restores since V0_14,
        /// `system.toml`.
        system_buildpacks since V0_15,
        /// Execution environments filter buildpacks and processes, and are a label.
        exec_env since V0_15,
    }
}

rules! {
    /// The facts of a Buildpack API version.
    BuildpackRules of BuildpackApi {
        /// `CNB_PLATFORM_DIR`, `CNB_BUILD_PLAN_PATH`, `CNB_BP_PLAN_PATH`, `CNB_LAYERS_DIR`.
        path_variables since V0_8,
        /// A process can have a working directory.
        process_working_directory since V0_8,
        /// A process's command is a list, and `direct` is refused.
        command_arrays since V0_9,
        /// User arguments replace a process's own.
        overridable_args since V0_9,
        /// `CNB_TARGET_*`.
        target_variables since V0_10,
        /// The stack bionic implies a target even beside other stacks.
        infers_target_beside_other_stacks since V0_10,
        /// `exec-env` in `buildpack.toml`, and `CNB_EXEC_ENV`.
        exec_env since V0_12,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_begin_with_their_version() {
        assert!(!PlatformRules::of(PlatformApi::V0_11).has_targets);
        assert!(PlatformRules::of(PlatformApi::V0_12).has_targets);
        assert!(PlatformRules::of(PlatformApi::V0_15).has_targets);
        assert!(!BuildpackRules::of(BuildpackApi::V0_11).exec_env);
        assert!(BuildpackRules::of(BuildpackApi::V0_12).exec_env);
    }
}
