//! From a blob to its tar: plain, gzip, or zstd, told apart by their first bytes.

use std::io::{self, BufReader, Cursor, Read};

use dhow_oci::MediaType;

const BUFFER: usize = 256 * 1024;

/// How a blob is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// The tar itself.
    Plain,
    /// gzip, any number of members.
    Gzip,
    /// zstd, any number of frames.
    Zstd,
}

impl Encoding {
    /// Returns the encoding that a layer's media type names.
    #[must_use]
    pub fn of(media_type: &MediaType) -> Option<Self> {
        match media_type.to_oci() {
            MediaType::OciLayer | MediaType::OciForeignLayer => Some(Self::Plain),
            MediaType::OciLayerGzip | MediaType::OciForeignLayerGzip => Some(Self::Gzip),
            MediaType::OciLayerZstd | MediaType::OciForeignLayerZstd => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Returns the encoding that bytes which start so have. What is neither gzip nor zstd is plain.
    #[must_use]
    pub fn detect(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }

    /// Returns the name for messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// Returns the encoding of `input` and a reader of what is encoded.
///
/// The reader fails where a member or frame is damaged or cut off, where something follows that is
/// neither, and where zstd wants a window of more than 128 MiB.
pub fn decompress<'a>(mut input: impl Read + Send + 'a) -> io::Result<(Encoding, Box<dyn Read + Send + 'a>)> {
    let mut start = Vec::new();
    input.by_ref().take(4).read_to_end(&mut start)?;
    let encoding = Encoding::detect(&start);
    let whole = Cursor::new(start).chain(input);
    let reader: Box<dyn Read + Send + 'a> = match encoding {
        Encoding::Plain => Box::new(whole),
        Encoding::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::with_capacity(BUFFER, whole))),
        Encoding::Zstd => {
            // The library takes windows of 128 MiB at most unless it is told to take more.
            Box::new(zstd::stream::read::Decoder::with_buffer(BufReader::with_capacity(BUFFER, whole))?)
        }
    };
    Ok((encoding, reader))
}
