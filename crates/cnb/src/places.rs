//! Where things are in builders and app images, as the platform specification and the reference name them.
//!
//! The directories that a variable can move (`CNB_LAYERS_DIR` and the like) are here by their defaults.

/// What belongs to builders and to the lifecycle.
pub const CNB: &str = "/cnb";
/// The lifecycle's programs; in an app image, the launcher.
pub const LIFECYCLE_DIRECTORY: &str = "/cnb/lifecycle";
/// The launcher, in a builder and in an app image.
pub const LAUNCHER: &str = "/cnb/lifecycle/launcher";
/// The program that all phases are, in a builder of dhow's.
pub const LIFECYCLE: &str = "/cnb/lifecycle/lifecycle";
/// What a builder's lifecycle says of itself.
pub const LIFECYCLE_DESCRIPTOR: &str = "/cnb/lifecycle/lifecycle.toml";
/// A link to the launcher for each process of an app image.
pub const PROCESS_DIRECTORY: &str = "/cnb/process";
/// A builder's buildpacks: `<escaped id>/<version>`.
pub const BUILDPACKS: &str = "/cnb/buildpacks";
/// A builder's image extensions.
pub const EXTENSIONS: &str = "/cnb/extensions";
/// What a platform operator sets for every build.
pub const BUILD_CONFIG: &str = "/cnb/build-config";
/// The order of a builder.
pub const ORDER: &str = "/cnb/order.toml";
/// The run images of a builder.
pub const RUN: &str = "/cnb/run.toml";
/// The run image of an older builder.
pub const STACK: &str = "/cnb/stack.toml";
/// The buildpacks that every order of a builder has.
pub const SYSTEM: &str = "/cnb/system.toml";
/// The layers of buildpacks.
pub const LAYERS: &str = "/layers";
/// What a platform gives to buildpacks: variables and bindings.
pub const PLATFORM: &str = "/platform";
/// The app.
pub const WORKSPACE: &str = "/workspace";
