//! Docker images as OCI images.

use dhow_oci::{Descriptor, Document, Image, Manifest};

/// Returns `image` with OCI media types throughout; the bytes of its config and layers stay the same.
///
/// An image that is OCI already keeps its manifest's very bytes, and so its digest.
#[must_use]
pub fn normalise(image: Image) -> Image {
    let normal = normal(image.manifest().value());
    if normal == *image.manifest().value() {
        return image;
    }
    let config = image.config().clone();
    Image::new(Document::of(normal), config).expect("config and number of layers are those of a valid image")
}

fn normal(manifest: &Manifest) -> Manifest {
    let oci = |descriptor: &Descriptor| Descriptor { media_type: descriptor.media_type.to_oci(), ..descriptor.clone() };
    Manifest {
        media_type: manifest.media_type.as_ref().map(dhow_oci::MediaType::to_oci),
        config: oci(&manifest.config),
        layers: manifest.layers.iter().map(oci).collect(),
        ..manifest.clone()
    }
}
