//! What is to be kept, decided.

use std::time::{Duration, SystemTime};

use super::Kept;

/// What is not kept any longer. Without limits everything is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrunePolicy {
    /// What was not used for so long goes.
    pub older_than: Option<Duration>,
    /// When all that is kept takes more bytes, what was not used for the longest time goes.
    pub max_size: Option<u64>,
}

impl PrunePolicy {
    /// Returns the policy that keeps nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self { older_than: None, max_size: Some(0) }
    }

    /// Tells whether `kept` goes, asked of the longest unused first; `left` is what all that is still kept takes.
    pub(super) fn removes(&self, kept: &Kept, left: u64, now: SystemTime) -> bool {
        let unused = now.duration_since(kept.last_used).unwrap_or(Duration::ZERO);
        let is_old = self.older_than.is_some_and(|limit| unused > limit);
        let is_too_much = self.max_size.is_some_and(|limit| left > limit || limit == 0);
        is_old || is_too_much
    }
}

#[cfg(test)]
mod tests {
    use super::super::KeptKind;
    use super::*;

    fn kept(unused: u64, size: u64) -> Kept {
        let last_used = SystemTime::UNIX_EPOCH + Duration::from_secs(1000 - unused);
        Kept { what: KeptKind::Build(None), path: "/x".into(), size, last_used }
    }

    fn removes(policy: PrunePolicy, unused: u64, left: u64) -> bool {
        policy.removes(&kept(unused, 1), left, SystemTime::UNIX_EPOCH + Duration::from_secs(1000))
    }

    #[test]
    fn without_limits_everything_stays() {
        assert!(!removes(PrunePolicy::default(), 1000, u64::MAX));
    }

    #[test]
    fn what_is_older_goes_whatever_its_size() {
        let policy = PrunePolicy { older_than: Some(Duration::from_secs(10)), max_size: None };
        assert!(removes(policy, 11, 0) && !removes(policy, 10, u64::MAX));
    }

    #[test]
    fn what_is_too_much_goes_until_it_fits() {
        let policy = PrunePolicy { older_than: None, max_size: Some(100) };
        assert!(removes(policy, 0, 101) && !removes(policy, 0, 100));
    }

    #[test]
    fn a_time_in_the_future_is_not_old() {
        let policy = PrunePolicy { older_than: Some(Duration::ZERO), max_size: None };
        let now = SystemTime::UNIX_EPOCH;
        assert!(!policy.removes(&kept(0, 1), 1, now));
    }

    #[test]
    fn nothing_is_kept_not_even_what_is_empty() {
        assert!(removes(PrunePolicy::nothing(), 0, 0));
    }
}
