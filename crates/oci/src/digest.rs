//! Content digests (image-spec `descriptor.md`, "Digests").

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256, Sha512};

/// The digest of some bytes: `sha256:<64 hex>` or `sha512:<128 hex>`, lower case.
///
/// Parsed strictly, so a digest may become a file name without another check.
///
/// ```
/// use dhow_oci::Digest;
///
/// let digest = Digest::of(b"hello");
/// assert_eq!(digest.algorithm(), "sha256");
/// assert_eq!(digest.as_str().parse::<Digest>()?, digest);
/// assert!("sha256:../../etc/passwd".parse::<Digest>().is_err());
/// # Ok::<(), dhow_oci::DigestError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(Box<str>);

/// The digest of a layer's *uncompressed* tar, as listed in a config's `rootfs.diff_ids`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DiffId(pub Digest);

/// Why a text is not a digest.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DigestError {
    /// The text is not `sha256:` + 64 or `sha512:` + 128 lower-case hexadecimal digits.
    #[error("`{0}` is not a digest; expected `sha256:` and 64 lower-case hexadecimal digits")]
    Malformed(String),
}

impl Digest {
    /// Returns the SHA-256 digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::sha256();
        hasher.update(bytes);
        hasher.finish()
    }

    /// Returns the digest of `bytes` by this digest's algorithm.
    #[must_use]
    pub fn of_same_kind(&self, bytes: &[u8]) -> Self {
        let mut hasher = self.hasher();
        hasher.update(bytes);
        hasher.finish()
    }

    /// Returns the algorithm, `sha256` or `sha512`.
    #[must_use]
    pub fn algorithm(&self) -> &str {
        self.0.split_once(':').map_or("", |(algorithm, _)| algorithm)
    }

    /// Returns the hexadecimal digits after the colon.
    #[must_use]
    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, hex)| hex)
    }

    /// Returns the whole digest, `algorithm:hex`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns a hasher of this digest's algorithm.
    #[must_use]
    pub fn hasher(&self) -> Hasher {
        match self.algorithm() {
            "sha512" => Hasher::sha512(),
            _ => Hasher::sha256(),
        }
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let malformed = || DigestError::Malformed(text.chars().take(160).collect());
        let (algorithm, hex) = text.split_once(':').ok_or_else(malformed)?;
        let length = match algorithm {
            "sha256" => 64,
            "sha512" => 128,
            _ => return Err(malformed()),
        };
        let lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if hex.len() != length || !hex.bytes().all(lower_hex) {
            return Err(malformed());
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for DiffId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Debug for DiffId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for DiffId {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        text.parse().map(Self)
    }
}

/// Computes a digest from bytes handed in piece by piece.
#[derive(Clone, Debug)]
pub struct Hasher(Algorithm);

#[derive(Clone, Debug)]
enum Algorithm {
    Sha256(Sha256),
    Sha512(Box<Sha512>),
}

impl Hasher {
    /// Returns an empty SHA-256 hasher.
    #[must_use]
    pub fn sha256() -> Self {
        Self(Algorithm::Sha256(Sha256::new()))
    }

    /// Returns an empty SHA-512 hasher.
    #[must_use]
    pub fn sha512() -> Self {
        Self(Algorithm::Sha512(Box::new(Sha512::new())))
    }

    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Algorithm::Sha256(hasher) => hasher.update(bytes),
            Algorithm::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// Returns the digest of everything added.
    #[must_use]
    pub fn finish(self) -> Digest {
        let (name, bytes) = match self.0 {
            Algorithm::Sha256(hasher) => ("sha256", hasher.finalize().to_vec()),
            Algorithm::Sha512(hasher) => ("sha512", hasher.finalize().to_vec()),
        };
        Digest(format!("{name}:{}", hex(&bytes)).into())
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|nibble| char::from(DIGITS[usize::from(nibble)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn digest_of_no_bytes_is_the_known_one() {
        assert_eq!(Digest::of(b"").as_str(), EMPTY);
    }

    #[test]
    fn malformed_digests_are_refused() {
        let (_, hex) = EMPTY.split_once(':').unwrap();
        let cases = [
            String::new(),
            hex.to_owned(),
            format!("SHA256:{hex}"),
            format!("sha256:{}", hex.to_uppercase()),
            format!("sha256:{}", &hex[1..]),
            format!("sha256:{hex}0"),
            format!("sha256:../{}", &hex[3..]),
            format!("sha256:{}\0", &hex[1..]),
            format!("sha512:{hex}"),
            format!("md5:{hex}"),
        ];
        for text in cases {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }

    #[test]
    fn both_algorithms_give_the_known_digests_and_read_back() {
        let mut sha512 = Hasher::sha512();
        sha512.update(b"");
        let empty = sha512.finish();
        assert_eq!(empty.hex().len(), 128);
        assert!(empty.as_str().starts_with("sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"));
        for digest in [empty, Digest::of(b"")] {
            assert_eq!(digest.as_str().parse(), Ok(digest.clone()));
            assert_eq!(digest.of_same_kind(b""), digest);
            assert_ne!(digest.of_same_kind(b"x"), digest);
            assert_eq!(digest.of_same_kind(b"x").algorithm(), digest.algorithm());
        }
    }

    #[test]
    fn a_hasher_takes_its_bytes_in_any_pieces() {
        let mut hasher = Digest::of(b"").hasher();
        for piece in [b"a".as_slice(), b"", b"bc"] {
            hasher.update(piece);
        }
        assert_eq!(hasher.finish(), Digest::of(b"abc"));
    }
}
