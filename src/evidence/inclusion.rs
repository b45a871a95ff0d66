//! Proofs that a record stands under a signed root (RFC 6962 section 2.1.1, RFC 9162 section 2.1.3).

use std::collections::HashMap;

use super::{Tree, merkle::node};

/// Levels of a tree whose siblings are kept; 2^48 records are more than any journal holds.
const LEVELS: u8 = 48;

/// Reads the leaves in order and keeps the hashes that proofs of the chosen ones need: at most one for each level and
/// chosen leaf, however long the journal is.
#[derive(Debug, Default)]
pub struct Prover {
    tree: Tree,
    /// Siblings by level and place; `None` until the subtree is complete.
    siblings: HashMap<(u8, u64), Option<[u8; 32]>>,
}

impl Prover {
    /// Adds the record whose leaf hash this is; a proof can be had only of those that are `chosen`.
    pub fn push(&mut self, leaf: [u8; 32], chosen: bool) {
        let index = self.tree.size();
        if chosen {
            self.choose(index);
        }
        let (mut hash, mut place) = (leaf, index);
        if let Some(found) = self.siblings.get_mut(&(0, place)) {
            *found = Some(hash);
        }
        // The peaks that this leaf completes are merged with it, the smallest first.
        let merged = usize::try_from(index.trailing_ones()).unwrap_or_default();
        for (level, left) in (1_u8..).zip(self.tree.peaks().iter().rev().take(merged)) {
            (hash, place) = (node(left, &hash), place >> 1);
            if let Some(found) = self.siblings.get_mut(&(level, place)) {
                *found = Some(hash);
            }
        }
        self.tree.push(leaf);
    }

    /// The tree of all leaves so far.
    #[must_use]
    pub const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The proof that the leaf with this index (from 0) is in `under`, an earlier or the present state of the tree.
    /// `None` if the leaf was not chosen or is not in that state.
    #[must_use]
    pub fn proof(&self, index: u64, under: &Tree) -> Option<Vec<[u8; 32]>> {
        let size = under.size();
        let (mut place, mut last) = (index, size.checked_sub(1)?);
        if index > last {
            return None;
        }
        let mut path = Vec::new();
        let mut level = 0_u8;
        while last > 0 {
            if place % 2 == 1 {
                path.push(self.sibling(level, place - 1)?);
            } else if place < last {
                let rest = size - ((place + 1) << level);
                let whole = rest >= 1 << level;
                path.push(if whole { self.sibling(level, place + 1)? } else { edge(under, rest)? });
            }
            (place, last, level) = (place >> 1, last >> 1, level + 1);
        }
        Some(path)
    }

    fn choose(&mut self, index: u64) {
        let mut peaks = self.tree.peaks().iter().rev();
        for level in 0..LEVELS {
            let place = index >> level;
            if place.is_multiple_of(2) {
                self.siblings.entry((level, place + 1)).or_default();
            } else if let Some(peak) = peaks.next() {
                self.siblings.insert((level, place - 1), Some(*peak));
            }
        }
    }

    fn sibling(&self, level: u8, place: u64) -> Option<[u8; 32]> {
        self.siblings.get(&(level, place)).copied().flatten()
    }
}

/// The hash of the incomplete subtree over the last `rest` leaves.
fn edge(tree: &Tree, rest: u64) -> Option<[u8; 32]> {
    let mut smallest = tree.peaks().iter().rev().take(usize::try_from(rest.count_ones()).ok()?);
    let last = smallest.next()?;
    Some(smallest.fold(*last, |right, left| node(left, &right)))
}

/// Whether the proof shows that the leaf with this index (from 0) is in the tree of this size and root.
#[must_use]
pub fn includes(root: &[u8; 32], size: u64, index: u64, leaf: &[u8; 32], proof: &[[u8; 32]]) -> bool {
    if index >= size {
        return false;
    }
    let (mut place, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if place % 2 == 1 || place == last {
            hash = node(sibling, &hash);
            while place % 2 == 0 && place != 0 {
                (place, last) = (place >> 1, last >> 1);
            }
        } else {
            hash = node(&hash, sibling);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    last == 0 && hash == *root
}
