//! Drafts: the smallest record that would have admitted a refused call.

use serde_json::{Value, json};

use super::support::{AGENT, at, registry};
use crate::{
    domain::{Digest, Kind, ToolRef},
    exception::{Refused, Risk, Wish},
};

fn refused(arguments: Value) -> Refused {
    Refused {
        decision: "dec_1".parse().unwrap(),
        at: at("2026-11-01T10:00:00.5Z"),
        agent: AGENT.into(),
        on_behalf_of: None,
        tool: ToolRef { server: "crm".parse().unwrap(), tool: "export".parse().unwrap() },
        definition: Digest::of(b"definition"),
        arguments: arguments.as_object().cloned().unwrap(),
    }
}

fn complete(kind: Kind) -> Wish {
    let words = || Some("as the people of the team say".to_owned());
    Wish {
        kind: Some(kind),
        rationale: Some("The export of this one region is needed before the end of the quarter.".to_owned()),
        team: words(),
        constraint: words(),
        objective: words(),
        identified_risk: words(),
        residual_risk: Some(Risk::Low),
        target_role: words(),
        criteria: words(),
        incident: (kind == Kind::BreakGlass).then(|| "INC-1".to_owned()),
        ends_on: (kind == Kind::TemporaryElevation).then(|| "deployment.finished".to_owned()),
        ..Wish::default()
    }
}

#[test]
fn a_draft_names_this_agent_this_tool_and_these_values_and_nothing_else() {
    let call = refused(json!({"region": "eu", "rows": 5, "pii": false, "filter": {"a": 1}, "ratio": 0.5}));
    let record = call.draft(&Wish::default(), "rachel", &registry()).record;
    assert_eq!(record["subject"], json!({"agents": [AGENT]}));
    assert_eq!(record["grant"]["tools"], json!(["export"]));
    let bounds = json!({"region": {"in": ["eu"]}, "rows": {"in": [5]}, "pii": {"in": [false]}});
    assert_eq!(record["grant"]["args"], bounds);
    assert_eq!(record["refs"]["decision"], json!("dec_1"));
}

#[test]
fn a_draft_says_all_that_people_must_add_and_with_it_nothing_is_missing() {
    let call = refused(json!({"region": "eu"}));
    let missing = call.draft(&Wish::default(), "rachel", &registry()).missing;
    for member in ["`rationale` is missing", "`team` is missing", "`target_role` is missing", "`constraint` is missing"]
    {
        assert!(missing.iter().any(|finding| finding.message.contains(member)), "{member}: {missing:?}");
    }
    for kind in [Kind::Pilot, Kind::TemporaryElevation, Kind::BreakGlass] {
        assert_eq!(call.draft(&complete(kind), "rachel", &registry()).missing, [], "{kind:?}");
    }
}

#[test]
fn the_same_person_gets_the_same_draft_of_a_refusal_and_another_person_another_id() {
    let call = refused(json!({}));
    let draft = |who: &str| call.draft(&Wish::default(), who, &registry()).record;
    assert_eq!(draft("rachel"), draft("rachel"));
    assert_ne!(draft("rachel")["id"], draft("alan")["id"]);
}
