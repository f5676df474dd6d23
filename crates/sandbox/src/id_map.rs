//! Which of the machine's ids a container's ids are: a pure decision.
//!
//! * **Root** keeps every id it has: what the container calls 1000 is 1000 on disk.
//! * With subordinate ids (`/etc/subuid`) and `newuidmap`, the **swap map**: the wanted user is the caller, so what
//!   it makes belongs to the caller; user 0 is a subordinate id, so the wanted user cannot write what root owns.
//! * Without, a **single** id: the wanted user is the caller and nobody else exists.

use dhow_fs::{IdRun, Ownership};
use serde::{Deserialize, Serialize};

use crate::host::HostIds;

/// A container's ids and the machine's ids that they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMap {
    /// The runs of users; `inside` ascends.
    #[serde(with = "runs")]
    pub uids: Vec<IdRun>,
    /// The runs of groups; `inside` ascends.
    #[serde(with = "runs")]
    pub gids: Vec<IdRun>,
    /// Who writes the map.
    pub writer: MapWriter,
}

/// Who writes an id map into the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MapWriter {
    /// dhow itself, being root.
    Root,
    /// `newuidmap` and `newgidmap`.
    Helpers,
    /// dhow itself: the kernel lets anyone map its own id, and nothing but that.
    Single,
}

impl IdMap {
    /// Returns how owners on disk are presented in the container's ids.
    #[must_use]
    pub fn ownership(&self) -> Ownership {
        Ownership::Mapped { uids: self.uids.clone(), gids: self.gids.clone() }
    }

    /// Tells whether a user and a group of the container exist on the machine.
    #[must_use]
    pub fn contains(&self, uid: u32, gid: u32) -> bool {
        holds(&self.uids, uid) && holds(&self.gids, gid)
    }
}

/// Decides the id map for a container in which the caller shall be `uid` and `gid`.
#[must_use]
pub fn plan_id_map(host: &HostIds, uid: u32, gid: u32) -> IdMap {
    let own = IdMap { uids: identity(&host.own_uids), gids: identity(&host.own_gids), writer: MapWriter::Root };
    if host.uid == 0 && own.contains(0, 0) && own.contains(uid, gid) {
        return own;
    }
    if host.helpers && !host.subuids.is_empty() && !host.subgids.is_empty() {
        return IdMap {
            uids: swap(uid, host.uid, &host.subuids),
            gids: swap(gid, host.gid, &host.subgids),
            writer: MapWriter::Helpers,
        };
    }
    IdMap {
        uids: vec![IdRun { inside: uid, outside: host.uid, count: 1 }],
        gids: vec![IdRun { inside: gid, outside: host.gid, count: 1 }],
        writer: MapWriter::Single,
    }
}

fn holds(runs: &[IdRun], id: u32) -> bool {
    runs.iter().any(|run| id >= run.inside && id - run.inside < run.count)
}

/// What a namespace calls its own ids, kept as it is for a namespace below.
fn identity(runs: &[IdRun]) -> Vec<IdRun> {
    runs.iter().map(|run| IdRun { outside: run.inside, ..*run }).collect()
}

/// `wanted` is the caller; every other id, from 0 up, is the next subordinate id.
fn swap(wanted: u32, caller: u32, subordinate: &[(u32, u32)]) -> Vec<IdRun> {
    let mut runs: Vec<IdRun> = Vec::new();
    let mut next = 0_u32;
    let mut placed = false;
    for (start, count) in disjoint(subordinate, caller) {
        let (mut outside, mut left) = (start, count);
        while left > 0 && runs.len() + 2 < MAXIMUM_RUNS {
            if next == wanted && !placed {
                runs.push(IdRun { inside: wanted, outside: caller, count: 1 });
                placed = true;
                let Some(after) = next.checked_add(1) else { return runs };
                next = after;
            }
            let room = if placed { MAXIMUM_ID - next } else { wanted - next };
            let count = left.min(room);
            if count == 0 {
                return runs;
            }
            runs.push(IdRun { inside: next, outside, count });
            (next, outside, left) = (next + count, outside + count, left - count);
        }
    }
    if !placed {
        runs.push(IdRun { inside: wanted, outside: caller, count: 1 });
    }
    runs
}

/// The ranges less what overlaps an earlier one or is the caller: the kernel refuses a map with such.
fn disjoint(ranges: &[(u32, u32)], caller: u32) -> Vec<(u32, u32)> {
    let mut kept: Vec<(u32, u32)> = Vec::new();
    for &(start, count) in ranges {
        let count = count.min(MAXIMUM_ID.saturating_sub(start));
        let overlaps = |&(other, length): &(u32, u32)| start < other + length && other < start + count;
        let is_caller = caller >= start && caller - start < count;
        if count > 0 && !is_caller && !kept.iter().any(overlaps) {
            kept.push((start, count));
        }
    }
    kept
}

/// The kernel takes 340 lines (user_namespaces(7)).
const MAXIMUM_RUNS: usize = 340;

/// 2³²−1 means "no id".
const MAXIMUM_ID: u32 = u32::MAX;

/// Runs as triples of numbers.
mod runs {
    use dhow_fs::IdRun;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(runs: &[IdRun], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(runs.iter().map(|run| (run.inside, run.outside, run.count)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IdRun>, D::Error> {
        let triples = Vec::<(u32, u32, u32)>::deserialize(deserializer)?;
        Ok(triples.into_iter().map(|(inside, outside, count)| IdRun { inside, outside, count }).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(inside: u32, outside: u32, count: u32) -> IdRun {
        IdRun { inside, outside, count }
    }

    fn caller(uid: u32) -> HostIds {
        HostIds {
            uid,
            gid: uid,
            own_uids: vec![run(0, 0, u32::MAX)],
            own_gids: vec![run(0, 0, u32::MAX)],
            subuids: vec![(100_000, 65536)],
            subgids: vec![(100_000, 65536)],
            helpers: true,
        }
    }

    #[test]
    fn root_keeps_every_id() {
        let map = plan_id_map(&caller(0), 1000, 1000);
        assert_eq!((map.uids, map.writer), (vec![run(0, 0, u32::MAX)], MapWriter::Root));
    }

    #[test]
    fn root_of_a_namespace_keeps_what_it_has() {
        let host = HostIds { own_uids: vec![run(0, 1000, 1), run(1, 100_000, 65536)], ..caller(0) };
        let map = plan_id_map(&host, 1000, 1000);
        assert_eq!(map.uids, vec![run(0, 0, 1), run(1, 1, 65536)]);
    }

    #[test]
    fn root_of_a_namespace_with_one_id_maps_that_one() {
        let one = vec![run(0, 1000, 1)];
        let host = HostIds { own_uids: one.clone(), own_gids: one, subuids: vec![], ..caller(0) };
        let map = plan_id_map(&host, 1000, 1001);
        assert_eq!((map.uids, map.gids), (vec![run(1000, 0, 1)], vec![run(1001, 0, 1)]));
        assert_eq!(map.writer, MapWriter::Single);
    }

    #[test]
    fn the_swap_map_makes_the_wanted_user_the_caller_and_root_a_subordinate() {
        let map = plan_id_map(&caller(501), 1000, 0);
        assert_eq!(map.uids, vec![run(0, 100_000, 1000), run(1000, 501, 1), run(1001, 101_000, 64536)]);
        assert_eq!(map.gids, vec![run(0, 501, 1), run(1, 100_000, 65536)]);
        assert_eq!(map.writer, MapWriter::Helpers);
    }

    #[test]
    fn a_wanted_user_above_the_subordinates_is_mapped_alone() {
        let map = plan_id_map(&HostIds { subuids: vec![(7000, 10)], ..caller(501) }, 70_000, 0);
        assert_eq!(map.uids, vec![run(0, 7000, 10), run(70_000, 501, 1)]);
    }

    #[test]
    fn without_helpers_or_subordinates_one_id_is_mapped() {
        for host in [HostIds { helpers: false, ..caller(501) }, HostIds { subgids: vec![], ..caller(501) }] {
            let map = plan_id_map(&host, 1000, 1001);
            assert_eq!(map.uids, vec![run(1000, 501, 1)]);
            assert_eq!(map.gids, vec![run(1001, 501, 1)]);
            assert_eq!(map.writer, MapWriter::Single);
        }
    }

    proptest! {
        #[test]
        fn a_swap_map_is_one_to_one_and_holds_the_caller(
            wanted in prop_oneof![0..5_u32, any::<u32>().prop_map(|id| id.min(u32::MAX - 1))],
            caller_id in 0..3000_u32,
            subordinate in prop::collection::vec(
                (prop_oneof![0..4000_u32, any::<u32>()], prop_oneof![0..3000_u32, any::<u32>()]), 1..6),
        ) {
            let runs = swap(wanted, caller_id, &subordinate);
            prop_assert!(runs.contains(&run(wanted, caller_id, 1)));
            for (position, one) in runs.iter().enumerate() {
                prop_assert!(one.count > 0);
                prop_assert!(one.inside.checked_add(one.count).is_some());
                prop_assert!(one.outside.checked_add(one.count).is_some());
                for other in &runs[position + 1..] {
                    prop_assert!(one.inside + one.count <= other.inside);
                    prop_assert!(one.outside + one.count <= other.outside || other.outside + other.count <= one.outside);
                }
            }
        }
    }
}
