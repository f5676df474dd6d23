//! What a layout names: images, tags, and what refers to them.

use dhow_oci::{Descriptor, Digest};

use super::Layout;
use crate::resolve;
use crate::{
    Address, Completeness, Expected, ImageSource, Named, Referrers, ResolveError, TagError, TagSink, Tags, Wanted,
    referrers,
};

impl ImageSource for Layout {
    fn location(&self) -> Address {
        Address::from(self.path())
    }

    fn named(&self, wanted: Wanted<'_>) -> Result<Vec<Named>, ResolveError> {
        resolve::named(self, self.location(), self.index()?.value(), wanted)
    }
}

impl Tags for Layout {
    fn tags(&self) -> Result<Vec<String>, ResolveError> {
        Ok(resolve::tags(self.index()?.value()))
    }
}

impl TagSink for Layout {
    fn tag_if(
        &self,
        name: &str,
        expected: &Expected,
        descriptor: Descriptor,
        completeness: Completeness,
    ) -> Result<Descriptor, TagError> {
        Ok(Self::tag_if(self, name, expected, descriptor, completeness)?)
    }

    fn untag(&self, name: &str) -> Result<bool, TagError> {
        Ok(Self::untag(self, name)?)
    }
}

impl Referrers for Layout {
    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, ResolveError> {
        referrers::in_index(self, self.location(), self.index()?.value(), subject)
    }
}
