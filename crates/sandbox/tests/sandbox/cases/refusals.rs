use crate::harness::Case;
pub(crate) const ALL: &[Case] = &[];
