//! What a yes to one call is bound to.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::support::House;
use crate::{
    domain::{Budget, Delegator, Digest, Grant, Kind, Method, Subject, Window},
    evidence::{Arguments, Called},
    gateway::hold::bound,
};

fn grant() -> Grant {
    Grant {
        exception: "EX-1".parse().unwrap(),
        revision: 1,
        digest: Digest::of(b"spec"),
        kind: Kind::Pilot,
        pilot: None,
        agents: ["worker".into()].into(),
        users: BTreeSet::new(),
        user_required: false,
        server: "s".parse().unwrap(),
        tools: [("job".parse().unwrap(), Digest::of(b"definition"))].into(),
        rules: BTreeSet::new(),
        arguments: Vec::new(),
        window: Window {
            not_before: "2026-11-01T00:00:00Z".parse().unwrap(),
            not_after: "2026-12-01T00:00:00Z".parse().unwrap(),
        },
        budget: Budget { calls: 1 },
        obligations: Vec::new(),
    }
}

fn called(server: &str, tool: &str, definition: &[u8], arguments: &[u8]) -> (Called, Digest) {
    let called = Called {
        server: server.parse().unwrap(),
        tool: tool.parse().unwrap(),
        exposed: "s__job".parse().unwrap(),
        definition: Digest::of(definition),
        arguments: Arguments {
            digest: Digest::of(b"fingerprint").into(),
            sealed: None,
            clear: BTreeMap::new(),
            omitted: Vec::new(),
        },
    };
    (called, Digest::of(arguments))
}

/// T085
#[tokio::test]
async fn a_yes_is_bound_to_subject_tool_arguments_epoch_and_exception() {
    let house = House::open();
    let subject = house.subject().await;
    let visit = || house.gateway.visit(Arc::clone(&subject), &House::request(Method::CallTool, "s__job"));
    let call = || called("s", "job", b"definition", b"{}");
    let action = |visit: &crate::gateway::visit::Visit, grant: &Grant, (called, arguments): &(Called, Digest)| {
        bound(visit, grant, (called, *arguments))
    };
    let first = action(&visit(), &grant(), &call());
    assert_eq!(action(&visit(), &grant(), &call()), first, "the same call, later");
    let of = |subject: Subject| crate::gateway::visit::Visit { subject: Arc::new(subject), ..visit() };
    let person = |name: &str| Some(Delegator { person: name.into(), roles: [].into() });
    let mut later = visit();
    later.world = Arc::new(crate::gateway::World { epoch: later.world.epoch + 1, ..(*later.world).clone() });
    let others = [
        action(&of(Subject { agent: "other".into(), ..(*subject).clone() }), &grant(), &call()),
        action(&of(Subject { on_behalf_of: person("ana"), ..(*subject).clone() }), &grant(), &call()),
        action(&of(Subject { on_behalf_of: person("bob"), ..(*subject).clone() }), &grant(), &call()),
        action(&later, &grant(), &call()),
        action(&visit(), &grant(), &called("t", "job", b"definition", b"{}")),
        action(&visit(), &grant(), &called("s", "task", b"definition", b"{}")),
        action(&visit(), &grant(), &called("s", "job", b"another", b"{}")),
        action(&visit(), &grant(), &called("s", "job", b"definition", b"{\"a\":1}")),
        action(&visit(), &Grant { revision: 2, ..grant() }, &call()),
        action(&visit(), &Grant { exception: "EX-2".parse().unwrap(), ..grant() }, &call()),
    ];
    let distinct: BTreeSet<String> = others.iter().chain([&first]).cloned().collect();
    assert_eq!(distinct.len(), others.len() + 1);
}
