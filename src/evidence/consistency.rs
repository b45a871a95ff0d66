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
        let ranges = ranges(from, to)?.into_iter().map(|(low, high)| (low, high, Tree::default()));
        Some(Self { read: 0, ranges: ranges.collect() })
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

/// The ranges of leaves whose roots the proof lists, in its order. `None` unless 0 < from <= to.
fn ranges(from: u64, to: u64) -> Option<Vec<(u64, u64)>> {
    if from == 0 || from > to {
        return None;
    }
    let mut ranges = Vec::new();
    let (mut low, mut high, mut whole) = (0, to, true);
    // SUBPROOF(m, D[n], b), from the outside in.
    while from != high {
        let split = low + (high - low).next_power_of_two() / 2;
        if from <= split {
            ranges.push((split, high));
            high = split;
        } else {
            ranges.push((low, split));
            (low, whole) = (split, false);
        }
    }
    if !whole {
        ranges.push((low, high));
    }
    ranges.reverse();
    Some(ranges)
}

/// The proof that the tree of size `to` only adds to that of size `from`, from the hashes of complete subtrees, which
/// are asked for by height and number. `None` unless 0 < from <= to.
///
/// # Errors
/// A hash cannot be had.
pub fn bridge<E>(
    from: u64,
    to: u64,
    mut complete: impl FnMut(u32, u64) -> Result<[u8; 32], E>,
) -> Result<Option<Vec<[u8; 32]>>, E> {
    let Some(ranges) = ranges(from, to) else { return Ok(None) };
    let mut proof = Vec::with_capacity(ranges.len());
    for (mut low, high) in ranges {
        // A range begins at a multiple of its size rounded up, so that its subtrees are those of the whole tree.
        let mut peaks = Vec::new();
        while let Some(height) = (high - low).checked_ilog2() {
            peaks.push(complete(height, low >> height)?);
            low += 1 << height;
        }
        proof.extend(peaks.into_iter().rev().reduce(|right, left| node(&left, &right)));
    }
    Ok(Some(proof))
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
