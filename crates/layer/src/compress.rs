//! How a layer's bytes are compressed.
//!
//! The tar is cut into blocks of a fixed size, and each block becomes a gzip member or a zstd frame
//! of its own. Readers take members and frames one after the other for one stream (RFC 1952 §2.2,
//! RFC 8878 §3.1), and the bytes depend on nothing but the tar and the level.

use std::io;

use dhow_oci::MediaType;
use libdeflater::{CompressionLvl, Compressor as Deflate};

/// A layer's compression, to write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// The plain tar.
    None,
    /// gzip, level 0 to 12.
    Gzip {
        /// The level.
        level: i32,
    },
    /// zstd, level 1 to 22.
    Zstd {
        /// The level.
        level: i32,
    },
}

impl Default for Compression {
    /// gzip at level 1.
    fn default() -> Self {
        Self::Gzip { level: 1 }
    }
}

impl Compression {
    /// Returns the OCI media type of a layer that is compressed so.
    #[must_use]
    pub fn media_type(self) -> MediaType {
        match self {
            Self::None => MediaType::OciLayer,
            Self::Gzip { .. } => MediaType::OciLayerGzip,
            Self::Zstd { .. } => MediaType::OciLayerZstd,
        }
    }
}

/// The compression level is not one of the method's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("there is no {method} level {level}")]
pub struct LevelError {
    method: &'static str,
    level: i32,
}

/// Compresses blocks, one at a time, each for itself.
pub(crate) enum Compressor {
    None,
    Gzip(Deflate),
    Zstd(zstd::bulk::Compressor<'static>),
}

impl Compressor {
    pub(crate) fn new(compression: Compression) -> Result<Self, LevelError> {
        match compression {
            Compression::None => Ok(Self::None),
            Compression::Gzip { level } => {
                let error = |_| LevelError { method: "gzip", level };
                Ok(Self::Gzip(Deflate::new(CompressionLvl::new(level).map_err(error)?)))
            }
            Compression::Zstd { level } => {
                let error = LevelError { method: "zstd", level };
                if !zstd::compression_level_range().contains(&level) {
                    return Err(error);
                }
                zstd::bulk::Compressor::new(level).map(Self::Zstd).map_err(|_| error)
            }
        }
    }

    /// Replaces what is in `output` by the compressed `block`.
    pub(crate) fn compress(&mut self, block: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::None => {
                output.clear();
                output.extend_from_slice(block);
            }
            Self::Gzip(compressor) => {
                output.resize(compressor.gzip_compress_bound(block.len()), 0);
                let length = compressor.gzip_compress(block, output).map_err(io::Error::other)?;
                output.truncate(length);
            }
            Self::Zstd(compressor) => {
                output.clear();
                output.reserve(zstd::zstd_safe::compress_bound(block.len()));
                compressor.compress_to_buffer(block, output)?;
            }
        }
        Ok(())
    }
}
