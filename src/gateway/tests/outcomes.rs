//! What is recorded of how a call ended.

use std::{sync::Arc, time::Duration};

use super::support::House;
use crate::{
    domain::{Digest, Method, Secret, ToolRef},
    evidence::{How, Record, Sealer, Vault},
    gateway::outcome::{End, Ended},
    monitoring::Withheld,
};

/// A folder that takes no key.
#[derive(Debug)]
struct Full;

impl Vault for Full {
    fn keep(&self, _: &str, _: &Secret<Vec<u8>>) -> Result<(), String> {
        Err("the disk is full".to_owned())
    }

    fn destroy(&self, _: &str) -> Result<(), String> {
        Ok(())
    }
}

#[tokio::test]
async fn a_result_that_gets_no_fingerprint_does_not_leave_and_its_end_is_on_record() {
    let mut house = House::open();
    let visit = house.gateway.visit(house.subject().await, &House::request(Method::CallTool, "s__job"));
    let sealer = Sealer::with(&Secret::new(vec![7; 32]), Box::new(Full), Vec::new()).unwrap();
    Arc::get_mut(&mut house.gateway).unwrap().parts.sealer = Arc::new(sealer);
    let withheld = Withheld { control: "response.limit", detail: String::new(), marked: Vec::new() };
    let ended = Ended {
        tool: ToolRef { server: "s".parse().unwrap(), tool: "job".parse().unwrap() },
        came: End::Withheld(withheld, Digest::of(b"result"), 6),
        took: Duration::from_millis(1),
        digest: Digest::of(b"{}"),
        exception: None,
        sealed: None,
    };
    assert!(house.gateway.outcome(&visit, &ended).await.is_err());
    let records = house.records();
    let [Record::Outcome(outcome)] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!((outcome.how, outcome.detail.as_deref()), (How::Withheld, Some("fingerprint")));
    assert_eq!((&outcome.result, &outcome.decision), (&None, &visit.id));
}
