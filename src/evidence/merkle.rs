//! The root of the Merkle tree over all records (RFC 6962 section 2.1), kept as a compact range.

use crate::domain::Digest;

/// The hash of a leaf.
#[must_use]
pub fn leaf(payload: &[u8]) -> [u8; 32] {
    *Digest::of_parts(&[&[0], payload]).as_bytes()
}

pub(super) fn node(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    *Digest::of_parts(&[&[1], left, right]).as_bytes()
}

/// The hashes of the largest complete subtrees from the left; one for each bit that is set in `size`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    peaks: Vec<[u8; 32]>,
}

impl Tree {
    /// A tree from its stored form, if the number of peaks fits the size.
    #[must_use]
    pub fn restore(size: u64, peaks: Vec<[u8; 32]>) -> Option<Self> {
        (usize::try_from(size.count_ones()).ok()? == peaks.len()).then_some(Self { size, peaks })
    }

    /// Adds the record whose leaf hash this is.
    pub fn push(&mut self, leaf: [u8; 32]) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// How many records.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The complete subtrees, the largest first.
    #[must_use]
    pub fn peaks(&self) -> &[[u8; 32]] {
        &self.peaks
    }

    /// The root; of an empty tree, the hash of nothing.
    #[must_use]
    pub fn root(&self) -> [u8; 32] {
        let mut right_to_left = self.peaks.iter().rev();
        let Some(last) = right_to_left.next() else { return *Digest::of(b"").as_bytes() };
        right_to_left.fold(*last, |right, left| node(left, &right))
    }
}

#[cfg(test)]
mod tests {
    use super::{Tree, leaf, node};
    use crate::domain::Digest;

    fn by_definition(leaves: &[[u8; 32]]) -> [u8; 32] {
        match leaves {
            [] => *Digest::of(b"").as_bytes(),
            [one] => *one,
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                node(&by_definition(&leaves[..split]), &by_definition(&leaves[split..]))
            }
        }
    }

    #[test]
    fn the_root_is_that_of_the_definition_for_every_size() {
        let leaves: Vec<_> = (0_u8..70).map(|n| leaf(&[n])).collect();
        let mut tree = Tree::default();
        for (count, hash) in leaves.iter().enumerate() {
            assert_eq!(tree.root(), by_definition(&leaves[..count]));
            assert_eq!(Tree::restore(tree.size(), tree.peaks().to_vec()), Some(tree.clone()));
            tree.push(*hash);
        }
    }
}
