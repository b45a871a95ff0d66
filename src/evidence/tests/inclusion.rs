//! Inclusion proofs, held against the definition of RFC 6962 and the vectors that its implementations share.

use crate::{
    domain::Digest,
    evidence::{Prover, Tree, includes, leaf},
};

fn node(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    *Digest::of_parts(&[&[1], left, right]).as_bytes()
}

/// MTH(D[n]) of RFC 6962 section 2.1.
fn root(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => *Digest::of(b"").as_bytes(),
        [one] => *one,
        _ => {
            let split = leaves.len().next_power_of_two() / 2;
            node(&root(&leaves[..split]), &root(&leaves[split..]))
        }
    }
}

/// PATH(m, D[n]) of RFC 6962 section 2.1.1.
fn path(m: usize, leaves: &[[u8; 32]]) -> Vec<[u8; 32]> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let split = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(split);
    let (mut inner, sibling) =
        if m < split { (path(m, left), root(right)) } else { (path(m - split, right), root(left)) };
    inner.push(sibling);
    inner
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn every_proof_is_that_of_the_definition_for_every_leaf_and_every_earlier_state() {
    let leaves: Vec<_> = (0_u8..70).map(|n| leaf(&[n])).collect();
    let mut prover = Prover::default();
    let mut states = vec![Tree::default()];
    for hash in &leaves {
        prover.push(*hash, true);
        states.push(prover.tree().clone());
    }
    for (size, state) in states.iter().enumerate() {
        for index in 0..70 {
            let proof = prover.proof(index as u64, state);
            if index >= size {
                assert_eq!(proof, None);
                continue;
            }
            let proof = proof.unwrap();
            assert_eq!(proof, path(index, &leaves[..size]), "{index} of {size}");
            assert!(includes(&state.root(), size as u64, index as u64, &leaves[index], &proof));
        }
    }
}

#[test]
fn a_proof_holds_for_its_leaf_place_size_and_root_alone() {
    let leaves: Vec<_> = (0_u8..21).map(|n| leaf(&[n])).collect();
    let mut prover = Prover::default();
    for (index, hash) in leaves.iter().enumerate() {
        prover.push(*hash, index % 3 == 0);
    }
    let tree = prover.tree();
    for index in (0..21).step_by(3) {
        let proof = prover.proof(index, tree).unwrap();
        let holds = |size, at, hash: &[u8; 32], proof: &[[u8; 32]]| includes(&tree.root(), size, at, hash, proof);
        let own = &leaves[usize::try_from(index).unwrap()];
        assert!(holds(21, index, own, &proof));
        assert!(!holds(21, (index + 1) % 21, own, &proof));
        assert!(!holds(21, index, &leaf(b"other"), &proof));
        assert!(!holds(21, 21, own, &proof) && !holds(index, index, own, &proof) && !holds(0, 0, own, &proof));
        assert!(!includes(&[0; 32], 21, index, own, &proof));
        for changed in 0..proof.len() {
            let mut other = proof.clone();
            other[changed][5] ^= 1;
            assert!(!holds(21, index, own, &other));
        }
        assert!(
            !holds(21, index, own, &proof[1..]) && !holds(21, index, own, &[proof.clone(), vec![[0; 32]]].concat())
        );
        assert_eq!(prover.proof(index + 1, tree), None, "a leaf that was not chosen has no proof");
    }
}

#[test]
fn roots_and_proofs_are_those_of_the_vectors_of_certificate_transparency() {
    let inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut prover = Prover::default();
    let mut states = Vec::new();
    for (input, root) in inputs.iter().zip(roots) {
        prover.push(leaf(&hex(input)), true);
        assert_eq!(prover.tree().root().to_vec(), hex(root));
        states.push(prover.tree().clone());
    }
    let vectors: [(u64, usize, &[&str]); 4] = [
        (0, 1, &[]),
        (
            0,
            8,
            &[
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            5,
            8,
            &[
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (2, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    ];
    for (index, size, proof) in vectors {
        let found = prover.proof(index, &states[size - 1]).unwrap();
        let expected: Vec<_> = proof.iter().map(|hash| hex(hash)).collect();
        assert_eq!(found.iter().map(|hash| hash.to_vec()).collect::<Vec<_>>(), expected, "{index} of {size}");
    }
}
