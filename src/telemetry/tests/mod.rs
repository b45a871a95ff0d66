//! The promises of telemetry.

mod delivery;
mod logs;
mod metrics;
mod names;
mod sink;
mod spans;
mod table;

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use super::{Peer, Settings, SpanFacts, Telemetry};
use crate::domain::{AgentId, Basis, DecisionId, Digest, Effect, ExceptionId, Method, Reason, ToolRef, Verdict};

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

fn telemetry(endpoint: Option<String>, ratio: f64) -> Telemetry {
    Telemetry::start(&Settings { endpoint, ratio, lease: Duration::from_secs(2) }).unwrap()
}

fn facts(traceparent: Option<&str>) -> SpanFacts {
    SpanFacts {
        method: "tools/call",
        tool: Some("crm__get_customer".parse().unwrap()),
        prompt: None,
        server: Some("crm".parse().unwrap()),
        agent: AgentId::from("spiffe://corp/agent/crm-pilot-7"),
        user: Some("alice@corp".into()),
        decision: DecisionId::from_bits(7),
        request_id: "42".to_owned(),
        session: None,
        protocol: "2026-07-28",
        peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 5_000)),
        received: Instant::now(),
        now: "2026-11-24T10:00:00Z".parse().unwrap(),
        traceparent: traceparent.map(str::to_owned),
        tracestate: None,
    }
}

fn tool(name: &str) -> ToolRef {
    ToolRef { server: "crm".parse().unwrap(), tool: name.parse().unwrap() }
}

fn peer() -> Peer {
    Peer {
        server: tool("get_customer").server,
        method: Method::CallTool,
        name: Some("get_customer".to_owned()),
        transport: "tcp",
        address: Some("crm.corp".to_owned()),
        port: Some(443),
    }
}

fn verdict(effect: Effect, basis: Basis) -> Verdict {
    Verdict {
        effect,
        basis,
        reason: if effect == Effect::Allow { Reason::Granted } else { Reason::NoGrant },
        determining: ["permit-crm".into()].into(),
        policy_set: Digest::of(b"policies"),
        exception: (basis == Basis::Exception).then(|| exception("EX-2026-0042")),
        revision: Some(1),
        pilot: None,
        controls: vec!["trace.full".to_owned()],
        passed_over: Vec::new(),
        advisories: Vec::new(),
    }
}

fn admitted() -> Verdict {
    verdict(Effect::Allow, Basis::Exception)
}

fn exception(id: &str) -> ExceptionId {
    id.parse().unwrap()
}

/// Waits until it holds, and says how long that took; fails after ten seconds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(10), "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    began.elapsed()
}
