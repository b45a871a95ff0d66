//! Proofs that a later tree only adds to an earlier one (RFC 6962 section 2.1.2, RFC 9162 section 2.1.4.2).

use super::{Tree, merkle::node};

/// Reads the leaves of the later tree in order and keeps the hashes that the proof needs.
#[derive(Debug)]
pub struct Bridge {
    read: u64,
    /// Ranges of leaves, from and to, in the order of the proof, each with its tree so far.
    ranges: Vec<(u64, u64, Tree)>,
}

impl Bridge {
    /// A proof that the tree of size `to` only adds to that of size `from`. `None` unless 0 < from <= to.
    #[must_use]
    pub fn between(from: u64, to: u64) -> Option<Self> {
        if from == 0 || from > to {
            return None;
        }
        let mut ranges = Vec::new();
        let (mut low, mut high, mut whole) = (0, to, true);
        // SUBPROOF(m, D[n], b), from the outside in.
        while from != high {
            let split = low + (high - low).next_power_of_two() / 2;
            if from <= split {
                ranges.push((split, high, Tree::default()));
                high = split;
            } else {
                ranges.push((low, split, Tree::default()));
                (low, whole) = (split, false);
            }
        }
        if !whole {
            ranges.push((low, high, Tree::default()));
        }
        ranges.reverse();
        Some(Self { read: 0, ranges })
    }

    /// Adds the next leaf.
    pub fn push(&mut self, leaf: [u8; 32]) {
        for (from, to, tree) in &mut self.ranges {
            if (*from..*to).contains(&self.read) {
                tree.push(leaf);
            }
        }
        self.read += 1;
    }

    /// The proof; none if leaves are missing.
    #[must_use]
    pub fn proof(&self) -> Option<Vec<[u8; 32]>> {
        let whole = |(from, to, tree): &(u64, u64, Tree)| (tree.size() == to - from).then(|| tree.root());
        self.ranges.iter().map(whole).collect()
    }
}

/// Whether the proof shows that the second tree, by size and root, only adds to the first.
#[must_use]
pub fn consistent(first: (u64, &[u8; 32]), second: (u64, &[u8; 32]), proof: &[[u8; 32]]) -> bool {
    if first.0 == second.0 {
        return proof.is_empty() && first.1 == second.1;
    }
    if first.0 == 0 || first.0 > second.0 {
        return false;
    }
    let mut hashes = proof.iter();
    let start = if first.0.is_power_of_two() { Some(first.1) } else { hashes.next() };
    let Some(start) = start else { return false };
    let (mut place, mut last) = (first.0 - 1, second.0 - 1);
    let even = place.trailing_ones();
    (place, last) = (place >> even, last >> even);
    let (mut old, mut new) = (*start, *start);
    for hash in hashes {
        if last == 0 {
            return false;
        }
        if place % 2 == 1 || place == last {
            (old, new) = (node(hash, &old), node(hash, &new));
            while place % 2 == 0 && place != 0 {
                (place, last) = (place >> 1, last >> 1);
            }
        } else {
            new = node(&new, hash);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    last == 0 && old == *first.1 && new == *second.1
}
