//! Consistency proofs, held against every pair of sizes.

use std::collections::BTreeMap;

use crate::evidence::{
    Bridge, Tree, bridge, consistent, leaf,
    tiles::{Edge, hashes, join, subtree},
};

#[test]
fn a_proof_between_two_sizes_holds_for_them_and_for_nothing_else() {
    let leaves: Vec<_> = (0_u8..40).map(|n| leaf(&[n])).collect();
    let mut roots = vec![Tree::default().root()];
    let mut tree = Tree::default();
    for hash in &leaves {
        tree.push(*hash);
        roots.push(tree.root());
    }
    for to in 1..=40_usize {
        for from in 1..=to {
            let mut bridge = Bridge::between(from as u64, to as u64).unwrap();
            leaves.iter().take(to).for_each(|hash| bridge.push(*hash));
            let proof = bridge.proof().unwrap();
            let holds = |m: usize, n: usize, proof: &[[u8; 32]]| {
                consistent((m as u64, &roots[m]), (n as u64, &roots[n]), proof)
            };
            assert!(holds(from, to, &proof), "{from} {to}");
            assert!(from == to || !consistent((from as u64, &[0; 32]), (to as u64, &roots[to]), &proof));
            assert!(from == to || !holds(from, to, &proof[1..]), "{from} {to}");
            assert!(from == to || !consistent((from as u64, &roots[from]), (to as u64, &[1; 32]), &proof));
        }
    }
    assert!(Bridge::between(0, 3).is_none() && Bridge::between(4, 3).is_none());
}

#[test]
fn a_proof_from_tiles_is_the_proof_from_all_leaves() {
    let (mut edge, mut tiles, mut roots) = (Edge::default(), BTreeMap::new(), BTreeMap::new());
    let pairs = [(1, 2), (1, 300), (255, 256), (256, 257), (255, 600), (511, 513), (600, 70_000), (65_536, 70_000)];
    let more = (1..40_u64).flat_map(|to| (1..=to).map(move |from| (from, to)));
    let pairs: Vec<(u64, u64)> = pairs.into_iter().chain(more).collect();
    let leaves: Vec<_> = (0..70_000_u32).map(|number| leaf(&number.to_be_bytes())).collect();
    for hash in &leaves {
        tiles.extend(edge.push(*hash).into_iter().map(|(name, tile)| (name.path(), tile)));
        if pairs.iter().any(|(from, to)| [*from, *to].contains(&edge.size())) {
            tiles.extend(edge.partial().into_iter().map(|(name, tile)| (name.path(), tile)));
            roots.insert(edge.size(), edge.tree().root());
        }
    }
    for (from, to) in pairs {
        let complete = |height, number| {
            let (name, at, count) = subtree(to, height, number).ok_or("no such subtree")?;
            let tile = tiles.get(&name.path()).ok_or("no such tile")?;
            Ok::<_, &str>(join(&hashes(tile, name.width).unwrap()[at..at + count]))
        };
        let proof = bridge(from, to, complete).unwrap().unwrap();
        assert!(consistent((from, &roots[&from]), (to, &roots[&to]), &proof), "{from} {to}");
        let mut all = Bridge::between(from, to).unwrap();
        leaves.iter().take(to as usize).for_each(|hash| all.push(*hash));
        assert_eq!(Some(proof), all.proof(), "{from} {to}");
    }
    assert_eq!(bridge(0, 3, |_, _| Err("asked")), Ok(None));
    assert!(subtree(300, 8, 1).is_none() && subtree(300, 3, 37).is_none() && subtree(300, 2, 74).is_some());
}
