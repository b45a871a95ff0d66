//! Tiles, held against the tree itself and the names of C2SP tlog-tiles.

use std::collections::BTreeMap;

use crate::evidence::{
    Tree, leaf,
    tiles::{Edge, Place, TILE, TileName, entries, entry, hashes},
};

#[test]
fn a_tile_has_one_path_and_no_other_is_read() {
    let name = |place, index, width| TileName { place, index, width };
    for (tile, path) in [
        (name(Place::Hashes(0), 5, TILE), "tile/0/005"),
        (name(Place::Hashes(2), 1_234_067, TILE), "tile/2/x001/x234/067"),
        (name(Place::Entries, 1_000, 17), "tile/entries/x001/000.p/17"),
    ] {
        assert_eq!(tile.path(), path);
        assert_eq!(TileName::parse(path), Some(tile));
    }
    for path in [
        "tile/0/5",
        "tile/0/x000/005",
        "tile/9/005",
        "tile/0/005.p/256",
        "tile/0/005.p/0",
        "tile/0/005.p/07",
        "tile/0/../../seal.key",
        "tile/00/005",
        "tile/entries/",
        "checkpoint",
    ] {
        assert_eq!(TileName::parse(path), None, "{path}");
    }
}

#[test]
fn the_tiles_of_a_growing_tree_give_back_its_edge_and_root_at_every_size() {
    let (mut edge, mut tree, mut kept) = (Edge::default(), Tree::default(), BTreeMap::new());
    for number in 0_u32..70_000 {
        let hash = leaf(&number.to_be_bytes());
        kept.extend(edge.push(hash).into_iter().map(|(name, tile)| (name.path(), tile)));
        tree.push(hash);
        if number < 600 || number % 257 == 0 || (65_500..65_600).contains(&number) {
            assert_eq!(edge.tree(), tree, "{number}");
            let partial: BTreeMap<_, _> = edge.partial().into_iter().map(|(n, tile)| (n.path(), tile)).collect();
            let again = Edge::restore(edge.size(), |name| partial.get(&name.path()).cloned()).unwrap();
            assert_eq!(again.tree(), tree);
        }
    }
    assert_eq!(kept.len(), 273 + 1);
    assert_eq!(hashes(&kept["tile/1/000"], TILE).unwrap().len(), TILE);
    assert!(kept.contains_key("tile/0/272"));
}

#[test]
fn a_bundle_gives_back_its_entries_and_nothing_else_is_one() {
    let bundle = [entry(b"one").unwrap(), entry(b"").unwrap(), entry(&[7; 65_535]).unwrap()].concat();
    let found = entries(&bundle).unwrap();
    assert_eq!((found.len(), found[0], found[1].len(), found[2].len()), (3, &b"one"[..], 0, 65_535));
    assert!(entries(&bundle[..bundle.len() - 1]).is_none());
    assert!(entry(&[0; 65_536]).is_none());
}
