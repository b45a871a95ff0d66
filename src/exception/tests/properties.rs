//! What random documents and random changes cannot do.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value;

use super::support::{Room, pilot, with};
use crate::{
    domain::Document,
    exception::{Ceiling, Event},
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    /// I6
    #[test]
    fn any_change_to_a_kept_history_is_found_or_leaves_nothing_usable(
        victim in 0..5_usize,
        byte in any::<prop::sample::Index>(),
        flip in 1..127_u8,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let room = Room::new();
            let exception = room.approved(pilot()).await;
            let before = room.candidates()[0].grant.clone();
            let mut history = room.store.rows.lock().unwrap()[&exception.id].clone();
            let victim = victim % history.len();
            let mut bytes = serde_json::to_vec(&history[victim].event).unwrap();
            let at = byte.index(bytes.len());
            bytes[at] ^= flip;
            let Ok(changed) = serde_json::from_slice::<Event>(&bytes) else { return };
            if changed == history[victim].event {
                return;
            }
            history[victim].event = changed;
            room.store.rows.lock().unwrap().insert(exception.id.clone(), history);
            let next = Room::over(Arc::clone(&room.store));
            let opening = next.desk.open().await.unwrap();
            if opening.damaged.is_empty() {
                // Where nothing was found, nothing more than what was approved can be used.
                assert!(next.candidates().iter().all(|candidate| candidate.grant == before));
            } else {
                assert!(next.candidates().is_empty());
            }
        });
    }

    /// I1, I3
    #[test]
    fn no_document_makes_the_reader_fall_and_what_it_accepts_is_whole(
        path in prop::sample::select(vec![
            "id", "kind", "subject/agents", "grant/tools", "grant/args", "rationale", "owner", "not_before", "not_after",
            "budget", "controls", "controls/0/obligation", "attestation/every", "exit", "governance/channel",
        ]),
        value in json_value(),
    ) {
        if let Ok(spec) = crate::exception::parse(&Document::of_value(with(pilot(), path, value))) {
            prop_assert!(!spec.controls.is_empty() && !spec.subject.agents.is_empty() && !spec.access.tools.is_empty());
            prop_assert!(spec.rationale.trim().len() >= 40 && !spec.owner.human.as_str().is_empty());
            prop_assert!(spec.window.not_before < spec.window.not_after);
            prop_assert!(spec.window.not_after - spec.window.not_before <= Ceiling::of(spec.kind).window);
            prop_assert!(spec.subject.agents.iter().all(|agent| !agent.as_str().contains('*')));
        }
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~]{0,50}".prop_map(Value::from),
        "\\PC{0,60}".prop_map(Value::from),
        "2026-1[0-2]-[0-3][0-9]T[0-2][0-9]:00:00Z".prop_map(Value::from),
        "P[0-9]{1,3}[DW]".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,9}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}
