//! Media types (image-spec `media-types.md`) and their Docker counterparts.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! media_types {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// What the bytes behind a descriptor are.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum MediaType {
            $($(#[$doc])* $variant,)*
            /// Any other media type, kept as written.
            Other(Box<str>),
        }

        impl MediaType {
            /// Returns the media type as written in JSON.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for MediaType {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)*
                    other => Self::Other(other.into()),
                }
            }
        }
    };
}

media_types! {
    /// An OCI image manifest.
    OciManifest = "application/vnd.oci.image.manifest.v1+json",
    /// An OCI image index.
    OciIndex = "application/vnd.oci.image.index.v1+json",
    /// An OCI image config.
    OciConfig = "application/vnd.oci.image.config.v1+json",
    /// An uncompressed OCI layer.
    OciLayer = "application/vnd.oci.image.layer.v1.tar",
    /// A gzip-compressed OCI layer.
    OciLayerGzip = "application/vnd.oci.image.layer.v1.tar+gzip",
    /// A zstd-compressed OCI layer.
    OciLayerZstd = "application/vnd.oci.image.layer.v1.tar+zstd",
    /// An uncompressed OCI layer that is not to be pushed.
    OciForeignLayer = "application/vnd.oci.image.layer.nondistributable.v1.tar",
    /// A gzip-compressed OCI layer that is not to be pushed.
    OciForeignLayerGzip = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    /// A zstd-compressed OCI layer that is not to be pushed.
    OciForeignLayerZstd = "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    /// The empty JSON value `{}`.
    OciEmpty = "application/vnd.oci.empty.v1+json",
    /// A Docker image manifest, version 2 schema 2.
    DockerManifest = "application/vnd.docker.distribution.manifest.v2+json",
    /// A Docker manifest list.
    DockerManifestList = "application/vnd.docker.distribution.manifest.list.v2+json",
    /// A Docker image config.
    DockerConfig = "application/vnd.docker.container.image.v1+json",
    /// An uncompressed Docker layer.
    DockerLayer = "application/vnd.docker.image.rootfs.diff.tar",
    /// A gzip-compressed Docker layer.
    DockerLayerGzip = "application/vnd.docker.image.rootfs.diff.tar.gzip",
    /// A zstd-compressed Docker layer.
    DockerLayerZstd = "application/vnd.docker.image.rootfs.diff.tar.zstd",
    /// An uncompressed Docker layer that is not to be pushed.
    DockerForeignLayer = "application/vnd.docker.image.rootfs.foreign.diff.tar",
    /// A gzip-compressed Docker layer that is not to be pushed.
    DockerForeignLayerGzip = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
}

impl MediaType {
    /// Tells whether this is an image manifest, OCI or Docker.
    #[must_use]
    pub fn is_manifest(&self) -> bool {
        matches!(self, Self::OciManifest | Self::DockerManifest)
    }

    /// Tells whether this is an index of manifests, OCI or Docker.
    #[must_use]
    pub fn is_index(&self) -> bool {
        matches!(self, Self::OciIndex | Self::DockerManifestList)
    }

    /// Returns the OCI media type that means the same; itself if there is none.
    #[must_use]
    pub fn to_oci(&self) -> Self {
        match self {
            Self::DockerManifest => Self::OciManifest,
            Self::DockerManifestList => Self::OciIndex,
            Self::DockerConfig => Self::OciConfig,
            Self::DockerLayer => Self::OciLayer,
            Self::DockerLayerGzip => Self::OciLayerGzip,
            Self::DockerLayerZstd => Self::OciLayerZstd,
            Self::DockerForeignLayer => Self::OciForeignLayer,
            Self::DockerForeignLayerGzip => Self::OciForeignLayerGzip,
            other => other.clone(),
        }
    }

    /// Tells whether this is a layer that is not to be pushed: its `urls` say where it comes from.
    #[must_use]
    pub fn is_foreign_layer(&self) -> bool {
        let is_oci = matches!(self, Self::OciForeignLayer | Self::OciForeignLayerGzip | Self::OciForeignLayerZstd);
        is_oci || matches!(self, Self::DockerForeignLayer | Self::DockerForeignLayerGzip)
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for MediaType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for MediaType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(String::deserialize(deserializer)?.as_str().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_is_written_as_it_was_read() {
        for text in ["application/vnd.oci.image.layer.v1.tar", "application/x", "", "APPLICATION/X"] {
            assert_eq!(MediaType::from(text).as_str(), text);
        }
        assert_eq!(MediaType::from(MediaType::OciIndex.as_str()), MediaType::OciIndex);
        assert!(matches!(MediaType::from("application/x"), MediaType::Other(_)));
    }

    #[test]
    fn docker_types_become_the_oci_types_that_mean_the_same() {
        for (docker, oci) in [
            ("application/vnd.docker.distribution.manifest.v2+json", "application/vnd.oci.image.manifest.v1+json"),
            ("application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.oci.image.index.v1+json"),
            ("application/vnd.docker.container.image.v1+json", "application/vnd.oci.image.config.v1+json"),
            ("application/vnd.docker.image.rootfs.diff.tar", "application/vnd.oci.image.layer.v1.tar"),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", "application/vnd.oci.image.layer.v1.tar+gzip"),
            ("application/vnd.docker.image.rootfs.diff.tar.zstd", "application/vnd.oci.image.layer.v1.tar+zstd"),
            (
                "application/vnd.docker.image.rootfs.foreign.diff.tar",
                "application/vnd.oci.image.layer.nondistributable.v1.tar",
            ),
            (
                "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            ),
            ("application/x", "application/x"),
        ] {
            assert_eq!(MediaType::from(docker).to_oci().as_str(), oci);
            assert_eq!(MediaType::from(oci).to_oci().as_str(), oci);
            assert_eq!(MediaType::from(docker).is_foreign_layer(), docker.contains("foreign"));
            assert_eq!(MediaType::from(oci).is_foreign_layer(), docker.contains("foreign"));
        }
    }

    #[test]
    fn manifests_and_indexes_are_told_apart() {
        for (media_type, is_manifest, is_index) in [
            (MediaType::OciManifest, true, false),
            (MediaType::DockerManifest, true, false),
            (MediaType::OciIndex, false, true),
            (MediaType::DockerManifestList, false, true),
            (MediaType::OciConfig, false, false),
        ] {
            assert_eq!((media_type.is_manifest(), media_type.is_index()), (is_manifest, is_index), "{media_type}");
        }
    }
}
