//! The link between records.

use crate::domain::Digest;

/// What the first record is chained to.
pub const GENESIS: [u8; 32] = [0; 32];

/// The chain value of a record: SHA-256 over its sequence number (8 bytes, big endian), the chain value of
/// the record before it and its payload.
#[must_use]
pub fn chain(prev: &[u8; 32], seq: u64, payload: &[u8]) -> [u8; 32] {
    *Digest::of_parts(&[&seq.to_be_bytes(), prev, payload]).as_bytes()
}

/// The last record of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its sequence number; 0 if there is none.
    pub seq: u64,
    /// Its chain value.
    pub chain: [u8; 32],
}

impl Head {
    /// The head of an empty journal.
    pub const EMPTY: Self = Self { seq: 0, chain: GENESIS };

    /// The head after one more record.
    #[must_use]
    pub fn next(&self, payload: &[u8]) -> Self {
        let seq = self.seq + 1;
        Self { seq, chain: chain(&self.chain, seq, payload) }
    }
}

#[cfg(test)]
mod tests {
    use super::{GENESIS, chain};

    #[test]
    fn a_link_depends_on_place_predecessor_and_payload() {
        let link = chain(&GENESIS, 1, b"a");
        assert_ne!(link, chain(&GENESIS, 2, b"a"));
        assert_ne!(link, chain(&[1; 32], 1, b"a"));
        assert_ne!(link, chain(&GENESIS, 1, b"b"));
    }
}
