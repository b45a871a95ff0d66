//! Consistency proofs, held against every pair of sizes.

use crate::evidence::{Bridge, Tree, consistent, leaf};

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
