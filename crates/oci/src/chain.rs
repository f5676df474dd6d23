//! ChainIDs (image-spec `config.md`, "Layer ChainID"): a layer together with those below it.

use crate::{DiffId, Digest};

/// Returns the ChainID of each layer, the lowest layer first: the digest that names it and all layers below it.
///
/// Two images that begin with the same layers have the same first ChainIDs.
///
/// ```
/// use dhow_oci::{DiffId, Digest, chain_ids};
///
/// let layers = [DiffId(Digest::of(b"lower")), DiffId(Digest::of(b"upper"))];
/// let chain = chain_ids(&layers);
/// assert_eq!(chain[0], layers[0].0);
/// assert_eq!(chain[1], Digest::of(format!("{} {}", layers[0].0, layers[1].0).as_bytes()));
/// ```
#[must_use]
pub fn chain_ids<'a>(diff_ids: impl IntoIterator<Item = &'a DiffId>) -> Vec<Digest> {
    let mut chain: Vec<Digest> = Vec::new();
    for diff_id in diff_ids {
        let next = match chain.last() {
            None => diff_id.0.clone(),
            Some(below) => Digest::of(format!("{below} {}", diff_id.0).as_bytes()),
        };
        chain.push(next);
    }
    chain
}
