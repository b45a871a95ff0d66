//! Records: what is demanded of them, and that every fault is told at once with its place.

use serde_json::{Value, json};

use super::support::{break_glass, connector, elevation, exemption, pilot, set, with};
use crate::{
    domain::{Digest, Document, Findings, Kind, Obligation},
    exception::{SCHEMA, Spec, parse},
};

fn read(record: Value) -> Result<Spec, Findings> {
    parse(&Document::of_value(record))
}

fn paths(record: Value) -> Vec<String> {
    read(record).unwrap_err().0.into_iter().map(|finding| finding.path).collect()
}

fn without(mut record: Value, member: &str) -> Value {
    record.as_object_mut().unwrap().remove(member);
    record
}

#[test]
fn the_schema_is_a_schema_and_good_records_have_no_fault() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    for record in [pilot(), elevation(), break_glass()] {
        let spec = read(record).unwrap();
        let text = serde_json::to_string(&spec).unwrap();
        let again: Spec = serde_json::from_str(&text).unwrap();
        assert_eq!(again, spec);
        assert_eq!(again.digest().unwrap(), spec.digest().unwrap());
    }
}

/// T080, I1
#[test]
fn a_record_without_owner_rationale_end_or_control_is_refused() {
    for member in [
        "owner",
        "rationale",
        "not_after",
        "not_before",
        "controls",
        "budget",
        "deviation",
        "subject",
        "grant",
        "governance",
    ] {
        let findings = read(without(pilot(), member)).unwrap_err();
        assert!(findings.0.iter().any(|f| f.message.starts_with(&format!("`{member}` is missing: "))), "{findings}");
    }
    assert_eq!(paths(with(pilot(), "controls", json!([]))), ["/controls"]);
    assert_eq!(paths(with(pilot(), "rationale", json!(" ".repeat(60)))), ["/rationale", "/rationale"]);
    assert_eq!(paths(with(pilot(), "owner/human", json!(""))), ["/owner/human"]);
    assert_eq!(paths(with(pilot(), "controls/0/definition", json!("  "))), ["/controls/0/definition"]);
    for (kind, member) in
        [(pilot(), "attestation"), (pilot(), "exit"), (elevation(), "ends_on"), (break_glass(), "incident")]
    {
        let findings = read(without(kind, member)).unwrap_err();
        assert!(findings.0[0].message.starts_with(&format!("`{member}` is missing: ")), "{findings}");
    }
}

/// I2
#[test]
fn no_window_is_longer_than_the_ceiling_of_its_kind() {
    assert!(read(with(pilot(), "not_after", json!("2026-12-01T00:00:00Z"))).is_ok());
    for (record, end) in [
        (pilot(), "2026-12-01T00:00:00.001Z"),
        (elevation(), "2026-11-01T08:00:01Z"),
        (break_glass(), "2026-11-01T04:00:01Z"),
    ] {
        assert_eq!(paths(with(record, "not_after", json!(end))), ["/not_after"]);
    }
    assert_eq!(paths(with(pilot(), "not_after", json!("2026-11-01T00:00:00Z"))), ["/not_after"]);
    assert_eq!(paths(with(pilot(), "not_after", json!("2026-11-31T00:00:00Z"))), ["/not_after"]);
    assert_eq!(paths(with(pilot(), "not_after", json!("2026-11-30T00:00:00+01:00"))), ["/not_after"]);
    assert_eq!(paths(with(pilot(), "attestation/every", json!("P8D"))), ["/attestation/every"]);
    assert_eq!(paths(with(pilot(), "attestation/grace", json!("PT25H"))), ["/attestation/grace"]);
}

/// I3, I4
#[test]
fn only_named_agents_and_named_tools_of_tool_servers_can_be_granted() {
    for agents in
        [json!([]), json!(["*"]), json!(["spiffe://corp/*"]), json!(["role:admin"]), json!(["a b"]), json!(["a", "a"])]
    {
        assert!(read(with(pilot(), "subject/agents", agents.clone())).is_err(), "{agents}");
    }
    for tools in [json!([]), json!(["*"]), json!(["export*"]), json!(["a", "a"])] {
        assert!(read(with(pilot(), "grant/tools", tools.clone())).is_err(), "{tools}");
    }
    assert_eq!(paths(with(pilot(), "grant/server", json!("postern"))), ["/grant/server"]);
    assert_eq!(paths(with(pilot(), "grant/server", json!("postern-admin"))), ["/grant/server"]);
}

#[test]
fn every_fault_is_told_at_once_with_file_line_path_and_mend() {
    let text = "apiVersion: postern/v1\nid: EX 1\nkind: break_glass\ncategory: mitigated\nsubject: {agents: ['*']}\n\
                grant:\n  server: crm\n  tools: [export, import]\n  descriptor_digest: sha256:00\n  args:\n    n: {min: 1}\n\
                deviation: {rule: r, constraint: c, objective: o, identified_risk: i, residual_risk: none}\n\
                rationale: short\nowner: {human: alice}\nnot_before: 2026-11-01T00:00:00Z\nnot_after: 2026-11-02T00:00:00Z\n\
                budget: {calls: 0, rows: 9}\ncontrols:\n  - {id: a, obligation: response.shred, definition: d}\n\
                governance: {channel: board, approvals: []}\nextra: 1\n";
    let findings = parse(&Document::parse("policies/exceptions/a.yaml", text).unwrap()).unwrap_err();
    let told: Vec<_> = findings.0.iter().map(|f| (f.line, f.path.as_str())).collect();
    let expected = [
        (1, ""),
        (1, ""),
        (2, "/id"),
        (5, "/subject/agents/0"),
        (9, "/grant/descriptor_digest"),
        (9, "/grant/descriptor_digest"),
        (11, "/grant/args/n"),
        (12, "/deviation/residual_risk"),
        (13, "/rationale"),
        (14, "/owner"),
        (16, "/not_after"),
        (17, "/budget"),
        (17, "/budget/calls"),
        (19, "/controls/0/obligation"),
        (20, "/governance"),
    ];
    assert_eq!(told, expected, "{findings}");
    assert!(findings.0.iter().all(|f| f.file == "policies/exceptions/a.yaml"));
    let all = findings.to_string();
    for mend in [
        "`incident` is missing: 1 to 256 characters",
        "there is no member `extra` here: remove it, or mend its name",
        "this version cannot enforce `rows`: remove it, and bound `calls` instead",
        "\"response.shred\" is not a duty that this version can meet: write one of approval.hold,",
        "`approvals` is kept by postern and is no part of the record: remove it",
        "this kind lasts at most 4 hours: end it earlier",
        "`team` is missing: ",
        "say in at least 40 characters why it is needed",
    ] {
        assert!(all.contains(mend), "{mend}\n{all}");
    }
}

#[test]
fn an_exemption_names_its_rules_their_owner_and_milestones() {
    assert!(read(exemption()).is_ok());
    for (member, mend) in [("rule_ids", "`rule_ids` is missing"), ("rule_owner", "`rule_owner` is missing")] {
        let mut record = exemption();
        record.as_object_mut().unwrap().remove(member);
        assert!(read(record).unwrap_err().to_string().contains(mend), "{mend}");
    }
    let unplanned = with(exemption(), "exit", json!({"type": "remediate", "criteria": "mended"}));
    assert!(read(unplanned).unwrap_err().to_string().contains("`milestones` is missing"));
    let never = with(exemption(), "exit/milestones", json!([{"name": "a", "due": "2026-02-31"}]));
    assert!(read(never).unwrap_err().to_string().contains("there is no such day"));
    let foreign = with(pilot(), "rule_ids", json!(["network"]));
    assert!(read(foreign).unwrap_err().to_string().contains("`rule_ids` belongs to the kind rule_exemption"));
}

#[test]
fn a_connector_says_where_its_calls_go_and_how_old_its_credential_may_be() {
    assert!(read(connector()).is_ok());
    let bare =
        with(connector(), "controls", json!([{"id": "a", "obligation": "audit.write_ahead", "definition": "d"}]));
    let told = read(bare).unwrap_err().to_string();
    for duty in ["`egress.allow`", "`principal.fresh`"] {
        assert!(told.contains(duty), "{told}");
    }
    assert!(read(with(pilot(), "kind", json!("role"))).unwrap_err().to_string().contains("there is no kind \"role\""));
}

#[test]
fn params_fit_their_obligation_and_none_stands_twice() {
    let control = |obligation: &str, params: Value| {
        let mut control = json!({"id": "c", "obligation": obligation, "definition": "d"});
        set(&mut control, "params", params);
        with(pilot(), "controls", json!([control]))
    };
    assert!(read(control("rate.limit", json!({"per_minute": 5}))).is_ok());
    assert!(read(control("trace.full", json!({}))).is_ok());
    for bad in [
        control("rate.limit", json!({})),
        control("rate.limit", json!({"per_minute": 0})),
        control("timebox", json!({"seconds": 301})),
        control("response.limit", json!({"bytes": 0, "rows": 2})),
        control("response.limit", json!({"bytes": 1, "row": 2})),
        control("trace.full", json!({"x": 1})),
        with(pilot(), "controls", json!([pilot()["controls"][0], pilot()["controls"][0]])),
    ] {
        assert!(read(bad.clone()).is_err(), "{}", bad["controls"]);
    }
}

#[test]
fn a_grant_carries_its_bounds_and_the_strictest_of_its_duties() {
    let controls = json!([
        {"id": "rate", "obligation": "rate.limit", "params": {"per_minute": 60}, "definition": "d"},
        {"id": "trace", "obligation": "trace.full", "definition": "d"},
    ]);
    let spec = read(with(pilot(), "controls", controls)).unwrap();
    let grant = spec.grant(3, Digest::of(b"x"));
    assert_eq!((grant.kind, grant.revision, grant.arguments.len()), (Kind::Pilot, 3, 3));
    let ids: Vec<_> = grant.obligations.iter().map(Obligation::id).collect();
    let all = ["audit.write_ahead", "trace.full", "args.constrain", "descriptor.pin", "budget.reserve", "rate.limit"];
    assert_eq!(ids, all);
    assert!(grant.obligations.contains(&Obligation::RateLimit { per_minute: 30 }));
}

#[test]
fn bounds_need_both_ends_and_one_form_and_several_tools_need_a_digest_each() {
    for bound in [
        json!({}),
        json!({"min": 1}),
        json!({"min": 2, "max": 1}),
        json!({"in": []}),
        json!({"in": [1.5]}),
        json!({"in": [1], "absent_or": 1}),
        json!({"min": 1, "max": 9_007_199_254_740_992_i64}),
    ] {
        assert!(read(with(pilot(), "grant/args", json!({"x": bound.clone()}))).is_err(), "{bound}");
    }
    let mut two = with(pilot(), "grant/tools", json!(["a", "b"]));
    assert_eq!(paths(two.clone()), ["/grant/descriptor_digest"]);
    let digest = Digest::of(b"a").to_string();
    set(&mut two, "grant/descriptor_digest", json!({"a": digest, "c": digest}));
    assert_eq!(paths(two.clone()), ["/grant/descriptor_digest", "/grant/descriptor_digest/c"]);
    set(&mut two, "grant/descriptor_digest", json!({"a": digest, "b": digest}));
    assert_eq!(read(two).unwrap().access.tools.len(), 2);
}
