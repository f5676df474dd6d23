//! Pre-defined annotation keys (image-spec `annotations.md`, `image-layout.md`).

/// The name of a descriptor within its layout's `index.json`.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The reference of the image that this one is based on, fully qualified.
pub const BASE_NAME: &str = "org.opencontainers.image.base.name";
/// The digest of the manifest or index that [`BASE_NAME`] refers to.
pub const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";
/// When the image was made.
pub const CREATED: &str = "org.opencontainers.image.created";
/// The full name under which containerd lists an imported image.
pub const CONTAINERD_IMAGE_NAME: &str = "io.containerd.image.name";
