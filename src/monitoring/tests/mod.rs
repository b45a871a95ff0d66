//! The promises of the controls.

mod anomaly;
mod controls;
mod declared;
mod duties;
mod rate;

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value, json};

use super::{Controls, Duties, Facts, Who};
use crate::domain::{ArgumentBound, Bound, Digest, ExceptionId, Lease, Obligation, Timestamp, ToolRef};

/// A call under an exception that meets everything, and the controls it is held against.
struct Case {
    audit: Arc<Lease>,
    trace: Arc<Lease>,
    controls: Arc<Controls>,
    exception: ExceptionId,
    who: Who,
    tool: ToolRef,
    obligations: Vec<Obligation>,
    arguments: Map<String, Value>,
    bounds: Vec<ArgumentBound>,
    declared: Map<String, Value>,
}

impl Case {
    fn new(obligations: &[Obligation]) -> Self {
        let lease = || Arc::new(Lease::new(Duration::from_secs(60), 10));
        let (audit, trace) = (lease(), lease());
        audit.acknowledge();
        trace.acknowledge();
        Self {
            controls: Arc::new(Controls::new(Arc::clone(&audit), Arc::clone(&trace))),
            audit,
            trace,
            exception: "EX-1".parse().unwrap(),
            who: ("agent".into(), Some("ana".into())),
            tool: ToolRef { server: "crm".parse().unwrap(), tool: "export".parse().unwrap() },
            obligations: obligations.to_vec(),
            arguments: object(json!({"tenant": "north", "limit": 5})),
            bounds: vec![
                bound("tenant", Bound::In(vec![json!("north"), json!("south")])),
                bound("limit", Bound::Between { min: 1, max: 10 }),
                bound("dry_run", Bound::AbsentOr(json!(true))),
            ],
            declared: object(json!({"tenant": {}, "limit": {}, "dry_run": {"type": "boolean"}, "note": {}})),
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            host: None,
            issued: None,
            exception: &self.exception,
            who: &self.who,
            tool: &self.tool,
            obligations: &self.obligations,
            approved: Some(Digest::of(b"definition")),
            live: Digest::of(b"definition"),
            arguments: &self.arguments,
            bounds: &self.bounds,
            declared: Some(&self.declared),
            passthrough: false,
            traced: true,
            now: at("2026-11-24T10:00:00Z"),
            not_after: at("2026-11-24T11:00:00Z"),
        }
    }

    fn duties(&self) -> Duties<'_> {
        Duties::under(self.facts())
    }
}

fn every() -> Vec<Obligation> {
    vec![
        Obligation::RateLimit { per_minute: 100 },
        Obligation::TraceFull,
        Obligation::AuditWriteAhead,
        Obligation::ArgsConstrain,
        Obligation::DescriptorPin,
        Obligation::BudgetReserve,
        Obligation::Timebox { seconds: 10 },
        Obligation::ResponseLimit { bytes: 8, rows: None, types: [].into() },
    ]
}

fn bound(name: &str, bound: Bound) -> ArgumentBound {
    ArgumentBound { name: name.to_owned(), bound }
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}
