//! Records of traffic whose time is over: which kinds those are, what says that they were removed, and which rows it covers.

use serde::{Deserialize, Serialize};

use super::Checkpoint;
use crate::domain::Timestamp;

/// Kinds that may be removed: what agents asked, and what came of it. All others tell who was allowed what, by whom and
/// when, and stay.
pub const TRAFFIC: [&str; 7] = ["aborted", "denial", "inquiry", "intent", "listing", "outcome", "subscription"];

/// Records of traffic were removed because their time was over; their leaf hashes stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// When.
    pub at: Timestamp,
    /// Who asked for it; `postern` for the gateway itself.
    pub actor: String,
    /// The first record that was looked at.
    pub from: u64,
    /// The last one; up to it all traffic is removed.
    pub through: u64,
    /// How many records were removed.
    pub count: u64,
    /// Which ones: the first and the last of each run.
    pub rows: Vec<[u64; 2]>,
    /// Days that records of traffic are kept.
    pub days: u32,
    /// The signed checkpoint under which they stand.
    pub checkpoint: String,
}

impl Retention {
    /// Whether it can stand at this place and say what it says: it removes only what a checkpoint before it signed.
    #[must_use]
    pub fn is_sound(&self, seq: u64) -> bool {
        let signed = Checkpoint::read(&self.checkpoint).map_or(0, |checkpoint| checkpoint.size);
        let ordered = self.rows.is_sorted_by(|before, next| before[1] < next[0]);
        let inside =
            self.rows.iter().all(|[first, last]| self.from <= *first && first <= last && *last <= self.through);
        let each = self.rows.iter().map(|[first, last]| last.saturating_sub(*first).saturating_add(1));
        let count = each.fold(0, u64::saturating_add);
        (1..=signed).contains(&self.through) && signed < seq && inside && ordered && count == self.count
    }
}

/// Sequence numbers as runs, in ascending order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runs(Vec<[u64; 2]>);

impl Runs {
    /// Adds the next number; numbers come in ascending order.
    pub fn push(&mut self, seq: u64) {
        match self.0.last_mut() {
            Some([_, last]) if last.checked_add(1) == Some(seq) => *last = seq,
            _ => self.0.push([seq, seq]),
        }
    }

    /// These runs, in whatever order they come.
    pub fn of(runs: impl IntoIterator<Item = [u64; 2]>) -> Self {
        let mut runs: Vec<[u64; 2]> = runs.into_iter().collect();
        runs.sort_unstable();
        Self(runs)
    }

    /// The runs.
    #[must_use]
    pub fn as_slice(&self) -> &[[u64; 2]] {
        &self.0
    }

    /// What is in these and in none of those.
    #[must_use]
    pub fn without(&self, those: &Self) -> Self {
        let (mut left, mut at) = (Vec::new(), 0);
        for [first, last] in &self.0 {
            let mut first = *first;
            while let Some([_, end]) = those.0.get(at)
                && *end < first
            {
                at += 1;
            }
            for [begin, end] in those.0.iter().skip(at).take_while(|[begin, _]| begin <= last) {
                if *begin > first {
                    left.push([first, begin - 1]);
                }
                first = first.max(end.saturating_add(1));
            }
            if first <= *last {
                left.push([first, *last]);
            }
        }
        Self(left)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::Runs;

    fn runs(of: &BTreeSet<u64>) -> Runs {
        let mut runs = Runs::default();
        of.iter().for_each(|seq| runs.push(*seq));
        runs
    }

    proptest! {
        #[test]
        fn what_is_left_over_is_what_sets_say(
            a in proptest::collection::btree_set(1_u64..60, 0..40), b in proptest::collection::btree_set(1_u64..60, 0..40),
        ) {
            let left: BTreeSet<u64> = a.difference(&b).copied().collect();
            let found = runs(&a).without(&runs(&b));
            let found: BTreeSet<u64> = found.as_slice().iter().flat_map(|[first, last]| *first..=*last).collect();
            prop_assert_eq!(found, left);
        }
    }
}
