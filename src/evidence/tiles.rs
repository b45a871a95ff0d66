//! The tree as tiles (C2SP tlog-tiles): their names, their bytes, and the right edge of the tree while it grows.

use super::{Tree, merkle::node};

/// Hashes of a full tile, and entries of a full bundle.
pub const TILE: usize = 256;
/// Levels of tiles; eight levels of 256 hold more than any journal.
const LEVELS: usize = 8;

/// Which tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Hashes of this level; level 0 holds the leaves.
    Hashes(u8),
    /// The records themselves.
    Entries,
}

/// A tile: where it stands and how much of it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TileName {
    /// Which kind.
    pub place: Place,
    /// Its number, from 0.
    pub index: u64,
    /// How many hashes or entries it holds; 256 is a full one.
    pub width: usize,
}

impl TileName {
    /// The path, as C2SP tlog-tiles has it: `tile/<L>/<N>[.p/<W>]`.
    #[must_use]
    pub fn path(&self) -> String {
        let full = self.full_path();
        if self.width == TILE { full } else { format!("{full}.p/{}", self.width) }
    }

    /// The path of the full tile with this number.
    #[must_use]
    pub fn full_path(&self) -> String {
        let mut number = format!("{:03}", self.index % 1_000);
        let mut rest = self.index / 1_000;
        while rest > 0 {
            number = format!("x{:03}/{number}", rest % 1_000);
            rest /= 1_000;
        }
        match self.place {
            Place::Hashes(level) => format!("tile/{level}/{number}"),
            Place::Entries => format!("tile/entries/{number}"),
        }
    }

    /// The tile that this path names, in its one spelling.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (place, number) = path.strip_prefix("tile/")?.split_once('/')?;
        let place = if place == "entries" {
            Place::Entries
        } else {
            Place::Hashes(place.parse().ok().filter(|level| usize::from(*level) < LEVELS)?)
        };
        let (number, width) = match number.split_once(".p/") {
            Some((number, width)) => (number, width.parse().ok().filter(|width| (1..TILE).contains(width))?),
            None => (number, TILE),
        };
        let mut index = 0_u64;
        for part in number.split('/') {
            let digits = part.strip_prefix('x').unwrap_or(part);
            let digits: u64 = digits.parse().ok().filter(|_| digits.len() == 3)?;
            index = index.checked_mul(1_000)?.checked_add(digits)?;
        }
        // Any other spelling is refused: there is one path for each tile.
        Some(Self { place, index, width }).filter(|name| name.path() == path)
    }
}

/// An entry as a bundle has it: its length in 16 bits, then its bytes. `None` if it is too long.
#[must_use]
pub fn entry(payload: &[u8]) -> Option<Vec<u8>> {
    let mut packed = u16::try_from(payload.len()).ok()?.to_be_bytes().to_vec();
    packed.extend(payload);
    Some(packed)
}

/// The entries of a bundle; `None` if its bytes are no bundle.
#[must_use]
pub fn entries(mut bundle: &[u8]) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    while !bundle.is_empty() {
        let (length, rest) = bundle.split_first_chunk::<2>()?;
        let (payload, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        found.push(payload);
        bundle = rest;
    }
    Some(found)
}

/// The hashes of a tile, if it holds so many.
#[must_use]
pub fn hashes(tile: &[u8], width: usize) -> Option<&[[u8; 32]]> {
    let (hashes, rest) = tile.as_chunks::<32>();
    (rest.is_empty() && hashes.len() == width).then_some(hashes)
}

/// The tiles that the right edge of a growing tree is in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    /// For each level the hashes of the tile that is not full yet.
    levels: Vec<Vec<[u8; 32]>>,
}

impl Edge {
    /// How many leaves there are.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf; gives the hash tiles that it fills.
    pub fn push(&mut self, leaf: [u8; 32]) -> Vec<(TileName, Vec<u8>)> {
        let mut filled = Vec::new();
        let mut hash = leaf;
        for level in 0..LEVELS {
            if self.levels.len() == level {
                self.levels.push(Vec::with_capacity(TILE));
            }
            let index = self.size >> (8 * (level + 1));
            let Some(hashes) = self.levels.get_mut(level) else { break };
            hashes.push(hash);
            if hashes.len() < TILE {
                break;
            }
            hash = root(hashes);
            let place = Place::Hashes(u8::try_from(level).unwrap_or(u8::MAX));
            filled.push((TileName { place, index, width: TILE }, hashes.concat()));
            hashes.clear();
        }
        self.size += 1;
        filled
    }

    /// The tiles that are not full, as they stand.
    #[must_use]
    pub fn partial(&self) -> Vec<(TileName, Vec<u8>)> {
        let names = partial_names(self.size);
        names.into_iter().filter_map(|name| Some((name, self.level(name.place)?.concat()))).collect()
    }

    /// The edge of a tree of this size, from its tiles that are not full. `None` if one is missing or has another size.
    pub fn restore(size: u64, mut read: impl FnMut(&TileName) -> Option<Vec<u8>>) -> Option<Self> {
        let mut levels = Vec::new();
        for name in partial_names(size) {
            let Place::Hashes(level) = name.place else { continue };
            levels.resize(usize::from(level), Vec::new());
            levels.push(hashes(&read(&name)?, name.width)?.to_vec());
        }
        // Levels above the last that is partial hold nothing, and lower ones that are full hold nothing yet.
        Some(Self { size, levels })
    }

    /// The tree as a compact range.
    #[must_use]
    pub fn tree(&self) -> Tree {
        let mut peaks = Vec::new();
        for hashes in self.levels.iter().rev() {
            peaks.extend_from_slice(over(hashes).peaks());
        }
        Tree::restore(self.size, peaks).unwrap_or_default()
    }

    fn level(&self, place: Place) -> Option<&Vec<[u8; 32]>> {
        let Place::Hashes(level) = place else { return None };
        self.levels.get(usize::from(level))
    }
}

/// The names of the hash tiles of a tree of this size that are not full.
#[must_use]
pub fn partial_names(size: u64) -> Vec<TileName> {
    let name = |level: u8| {
        let hashes = size >> (8 * u32::from(level));
        let width = usize::try_from(hashes % 256).unwrap_or_default();
        TileName { place: Place::Hashes(level), index: hashes / 256, width }
    };
    (0..8).map(name).filter(|name| name.width > 0).collect()
}

/// The entries or hashes of the lowest tile with this number in a tree of this size.
#[must_use]
pub fn width(size: u64, index: u64) -> usize {
    usize::try_from(size.saturating_sub(index.saturating_mul(256))).unwrap_or(TILE).min(TILE)
}

/// The tile of a tree of this size that holds what the hash of a complete subtree is made of, and where in the tile:
/// the first hash and how many.
#[must_use]
pub fn subtree(size: u64, height: u32, number: u64) -> Option<(TileName, usize, usize)> {
    let (level, rest) = (height / 8, height % 8);
    let first = number.checked_mul(1 << rest)?;
    let there = size.checked_shr(8 * level)?;
    let (index, at) = (first / 256, usize::try_from(first % 256).ok()?);
    let width = width(there, index);
    let place = Place::Hashes(u8::try_from(level).ok()?);
    (at + (1 << rest) <= width).then_some((TileName { place, index, width }, at, 1 << rest))
}

/// The hash of a complete subtree from the hashes below it.
#[must_use]
pub fn join(hashes: &[[u8; 32]]) -> [u8; 32] {
    over(hashes).root()
}

fn over(hashes: &[[u8; 32]]) -> Tree {
    let mut tree = Tree::default();
    hashes.iter().for_each(|hash| tree.push(*hash));
    tree
}

fn root(hashes: &[[u8; 32]]) -> [u8; 32] {
    match hashes {
        [left, right] => node(left, right),
        _ => over(hashes).root(),
    }
}
