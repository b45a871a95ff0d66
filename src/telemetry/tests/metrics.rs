//! What `/metrics` shows, and what can never make it grow.

use std::time::Duration;

use super::{
    super::{Ending, TracedException},
    exception,
    sink::Sink,
    telemetry, tool, verdict,
};
use crate::domain::{Basis, Effect};

const QUICK: Duration = Duration::from_millis(3);

/// T107
#[tokio::test]
async fn names_and_codes_that_nobody_registered_make_no_series() {
    let telemetry = telemetry(None, 1.0);
    let metrics = telemetry.metrics();
    metrics.register_tools(&[tool("get_customer")]);
    metrics.served(Some(&tool("unheard_of")), Ending::RpcError { code: -1 }, QUICK, QUICK);
    metrics.used(&exception("EX-0"));
    metrics.control("unheard.of", true);
    let before = telemetry.metrics_text().unwrap().lines().count();
    for n in 0..20_000 {
        metrics.served(Some(&tool(&format!("tool{n}"))), Ending::RpcError { code: n }, QUICK, QUICK);
        metrics.used(&exception(&format!("EX-{n}")));
        metrics.control(&format!("control{n}"), false);
    }
    let text = telemetry.metrics_text().unwrap();
    assert_eq!(text.lines().count(), before, "{text}");
    assert!(text.contains(r#"postern_exception_uses_total{exception_id="other",pilot_id=""} 20001"#), "{text}");
}

#[tokio::test]
async fn an_exception_is_counted_from_zero_and_forgotten_when_it_ends() {
    let telemetry = telemetry(None, 1.0);
    let metrics = telemetry.metrics();
    let not_after = "2026-11-24T10:00:00Z".parse().unwrap();
    let tracked =
        TracedException { id: exception("EX-1"), pilot: Some("PI-crm".parse().unwrap()), not_after, budget: 5 };
    metrics.register_exceptions(std::slice::from_ref(&tracked));
    let line = r#"postern_exception_uses_total{exception_id="EX-1",pilot_id="PI-crm"}"#;
    assert!(telemetry.metrics_text().unwrap().contains(&format!("{line} 0")));
    metrics.used(&exception("EX-1"));
    metrics.register_exceptions(&[tracked]);
    let text = telemetry.metrics_text().unwrap();
    assert!(text.contains(&format!("{line} 1")), "{text}");
    assert!(text.contains(r#"postern_exception_expires_timestamp_seconds{exception_id="EX-1"} 1795514400"#), "{text}");
    metrics.register_exceptions(&[]);
    assert!(!telemetry.metrics_text().unwrap().contains("EX-1"));
}

/// T107
#[tokio::test]
async fn thousands_of_exceptions_and_tools_that_are_registered_do_not_grow_the_series_without_bound() {
    let telemetry = telemetry(None, 1.0);
    let metrics = telemetry.metrics();
    let not_after = "2026-11-24T10:00:00Z".parse().unwrap();
    let traced = |n| TracedException { id: exception(&format!("EX-2026-{n:05}")), pilot: None, not_after, budget: 5 };
    let mut lines = Vec::new();
    for round in 0..4 {
        let exceptions: Vec<_> = (round * 2_500..round * 2_500 + 5_000).map(traced).collect();
        metrics.register_exceptions(&exceptions);
        metrics.register_tools(&(0..5_000).map(|n| tool(&format!("tool{n}"))).collect::<Vec<_>>());
        for (n, exception) in exceptions.iter().enumerate() {
            metrics.used(&exception.id);
            metrics.left(&exception.id, 1);
            metrics.served(Some(&tool(&format!("tool{n}"))), Ending::Refused, QUICK, QUICK);
        }
        let text = telemetry.metrics_text().unwrap();
        assert!(text.contains("postern_exception_active 5000"), "all of them are counted");
        lines.push(text.lines().count());
    }
    assert!(lines.iter().all(|count| *count == lines[0]), "{lines:?}");
    metrics.register_exceptions(&[traced(99_999)]);
    let text = telemetry.metrics_text().unwrap();
    assert!(text.contains("exception_id=\"EX-2026-99999\",pilot_id=\"\"} 0"), "and there is room again: {text}");
}

#[tokio::test]
async fn the_names_are_those_that_the_alerts_use() {
    let telemetry = telemetry(None, 1.0);
    let metrics = telemetry.metrics();
    metrics.register_tools(&[tool("get_customer")]);
    metrics.decided(&verdict(Effect::Deny, Basis::DefaultDeny), QUICK);
    metrics.served(Some(&tool("get_customer")), Ending::Refused, QUICK, QUICK);
    metrics.dispatched(&tool("get_customer"), Ending::TimedOut, QUICK);
    metrics.control("trace.full", true);
    metrics.refused_by("trace.full");
    metrics.in_state("active", 2);
    metrics.audit().committed(3, QUICK, 17);
    metrics.audit().write_failed();
    let text = telemetry.metrics_text().unwrap();
    for line in [
        r#"postern_authz_decisions_total{basis="default_deny",decision="deny",reason="no_grant"} 1"#,
        r#"mcp_server_operation_duration_seconds_count{error_type="refused",gen_ai_tool_name="get_customer",mcp_method_name="tools/call",postern_server="crm"} 1"#,
        r#"mcp_client_operation_duration_seconds_count{error_type="timeout",gen_ai_tool_name="get_customer",mcp_method_name="tools/call",postern_server="crm"} 1"#,
        r#"postern_monitoring_healthy{monitor="trace.full"} 1"#,
        r#"postern_monitoring_denials_total{monitor="trace.full"} 1"#,
        r#"postern_exception_state{state="active"} 2"#,
        "postern_gateway_overhead_seconds_count 1",
        "postern_audit_seq 17",
        "postern_audit_write_failures_total 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    metrics.register_tools(&[]);
    assert!(!telemetry.metrics_text().unwrap().contains("get_customer"));
}

#[tokio::test]
async fn a_call_that_is_traced_leaves_its_trace_beside_the_series_that_count_it() {
    let sink = Sink::start();
    let telemetry = super::telemetry(sink.url(), 0.0);
    let metrics = telemetry.metrics();
    let not_after = "2026-11-24T10:00:00Z".parse().unwrap();
    metrics.register_tools(&[tool("get_customer")]);
    metrics.register_exceptions(&[TracedException {
        id: exception("EX-2026-0042"),
        pilot: None,
        not_after,
        budget: 5,
    }]);
    let span = telemetry.server_span(super::facts(None), Some(&super::admitted()));
    let trace = span.trace_ids().unwrap().trace_id;
    metrics.used(&exception("EX-2026-0042"));
    metrics.decided(&super::admitted(), QUICK);
    metrics.left(&exception("EX-2026-0042"), 4);
    let done = Ending::Answered { bytes: 1, is_error: false };
    metrics.served(Some(&tool("get_customer")), done, QUICK, QUICK);
    span.end(done);
    let text = telemetry.open_metrics();
    let exemplar = format!("# {{trace_id=\"{trace}\"}} ");
    let marked: Vec<_> = text.lines().filter(|line| line.contains(&exemplar)).collect();
    assert_eq!(marked.len(), 3, "{text}");
    assert!(text.contains("# TYPE postern_exception_uses counter\n") && text.ends_with("# EOF\n"), "{text}");
    assert!(text.contains("postern_exception_budget_remaining{exception_id=\"EX-2026-0042\"} 4\n"), "{text}");
    metrics.register_exceptions(&[]);
    assert!(!telemetry.open_metrics().contains("EX-2026-0042"));
}
