//! What the spans of each kind of call say, as a table; and that spans which go nowhere are counted.

use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};

use super::{
    super::{Ending, Fate},
    UNSAMPLED, admitted, facts, peer,
    sink::{Sink, attribute},
    telemetry, until, verdict,
};
use crate::domain::{Basis, DecisionId, Effect, Reason, Verdict};

/// How a call went: its name, the verdict, whether it left, how it ended; then `postern.authz.decision`,
/// `postern.authz.reason`, the `error.type` of the SERVER span and that of the CLIENT span, and the JSON-RPC code.
type Row = (&'static str, Verdict, bool, Ending, [&'static str; 5]);

fn refused(basis: Basis, reason: Reason) -> Verdict {
    Verdict { reason, ..verdict(Effect::Deny, basis) }
}

fn rows() -> Vec<Row> {
    let (role, used) = (verdict(Effect::Allow, Basis::Rbac), admitted());
    let done = Ending::Answered { bytes: 9, is_error: false };
    let tool_error = Ending::Answered { bytes: 9, is_error: true };
    let deny = |reason| refused(Basis::DefaultDeny, reason);
    let under = |reason| refused(Basis::Exception, reason);
    let error = |code| Ending::RpcError { code };
    vec![
        ("allowed", role.clone(), true, done, ["allow", "granted", "", "", ""]),
        ("under an exception", used.clone(), true, done, ["allow", "granted", "", "", ""]),
        ("refused", deny(Reason::NoGrant), false, Ending::Refused, ["deny", "no_grant", "tool_error", "", ""]),
        ("unknown", deny(Reason::UnknownTool), false, error(-32_602), ["deny", "unknown_tool", "", "", "-32602"]),
        (
            "refused as an error",
            deny(Reason::NoGrant),
            false,
            error(-31_403),
            ["deny", "no_grant", "-31403", "", "-31403"],
        ),
        (
            "held",
            under(Reason::ApprovalPending),
            false,
            Ending::Refused,
            ["pending", "approval_pending", "tool_error", "", ""],
        ),
        ("frozen", deny(Reason::Frozen), false, Ending::Refused, ["deny", "frozen", "tool_error", "", ""]),
        (
            "unmonitored",
            under(Reason::MonitoringUnavailable),
            false,
            Ending::Refused,
            ["deny", "monitoring_unavailable", "tool_error", "", ""],
        ),
        (
            "unrecorded",
            under(Reason::AuditUnavailable),
            false,
            error(-32_603),
            ["error", "audit_unavailable", "-32603", "", "-32603"],
        ),
        (
            "no policy",
            deny(Reason::PolicyError),
            false,
            Ending::Refused,
            ["error", "policy_error", "tool_error", "", ""],
        ),
        ("the tool failed", used.clone(), true, tool_error, ["allow", "granted", "tool_error", "tool_error", ""]),
        ("the server's error", used.clone(), true, error(-32_000), ["allow", "granted", "-32000", "-32000", "-32000"]),
        ("the caller's fault", used.clone(), true, error(-32_602), ["allow", "granted", "", "-32602", "-32602"]),
        (
            "no answer",
            used.clone(),
            true,
            Ending::Failed { kind: "connect" },
            ["allow", "granted", "connect", "connect", ""],
        ),
        ("withheld", used.clone(), true, Ending::Withheld, ["allow", "granted", "withheld", "withheld", ""]),
        ("cancelled", used.clone(), true, Ending::Cancelled, ["allow", "granted", "cancelled", "cancelled", ""]),
        ("too late", used.clone(), true, Ending::TimedOut, ["allow", "granted", "timeout", "timeout", ""]),
        ("nobody ended it", used, true, Ending::Abandoned, ["allow", "granted", "abandoned", "abandoned", ""]),
    ]
}

fn said(span: &Span, key: &str) -> String {
    attribute(span, key).unwrap_or_default()
}

#[tokio::test]
async fn spans_say_of_each_kind_of_call_what_was_decided_and_how_it_ended() {
    for (name, verdict, left, ending, [decision, reason, of_server, of_client, code]) in rows() {
        let sink = Sink::start();
        let telemetry = telemetry(sink.url(), 1.0);
        let mut span = telemetry.server_span(facts(None), Some(&verdict));
        span.authorize(Instant::now(), Instant::now(), &verdict);
        span.audited(3);
        if left {
            span.client(peer()).end(ending);
        }
        span.end(ending);
        until(name, || sink.kept.spans().len() == if left { 3 } else { 2 }).await;
        let spans = sink.kept.spans();
        let of = |kind: SpanKind| spans.iter().find(|span| span.kind() == kind);
        let (server, authorize) = (of(SpanKind::Server).unwrap(), of(SpanKind::Internal).unwrap());
        for span in [server, authorize] {
            assert_eq!(
                (said(span, "postern.authz.decision"), said(span, "postern.authz.reason")),
                (decision.into(), reason.into()),
                "{name}"
            );
            assert_eq!(said(span, "postern.authz.basis"), verdict.basis.as_str(), "{name}");
            let exception = verdict.exception.as_ref().map(ToString::to_string).unwrap_or_default();
            assert_eq!(said(span, "postern.exception.id"), exception, "{name}");
        }
        assert_eq!(authorize.status.clone().unwrap_or_default().code(), StatusCode::Unset, "{name}");
        assert_eq!(said(server, "postern.audit.seq"), "IntValue(3)", "{name}");
        assert_eq!(
            (said(server, "error.type"), said(server, "rpc.response.status_code")),
            (of_server.into(), code.into()),
            "{name}"
        );
        assert_eq!(of(SpanKind::Client).is_some(), left, "a call that is refused has no CLIENT span: {name}");
        let client = of(SpanKind::Client).map(|client| (client, of_client));
        for (span, error) in client.into_iter().chain([(server, of_server)]) {
            let wanted = if error.is_empty() { StatusCode::Unset } else { StatusCode::Error };
            assert_eq!(
                (said(span, "error.type"), span.status.clone().unwrap_or_default().code()),
                (error.into(), wanted),
                "{name}"
            );
        }
    }
}

/// Whoever calls says that it does not sample; a use and each kind of refusal are recorded all the same, whole.
#[tokio::test]
async fn no_caller_keeps_the_trace_of_a_use_or_of_a_refusal_away() {
    for (name, verdict, left, ending, _) in rows().into_iter().filter(|row| row.0 != "allowed") {
        let sink = Sink::start();
        let telemetry = telemetry(sink.url(), 0.0);
        let mut span = telemetry.server_span(facts(Some(UNSAMPLED)), Some(&verdict));
        assert!(span.is_secured(), "{name}");
        span.authorize(Instant::now(), Instant::now(), &verdict);
        if left {
            let client = span.client(peer());
            assert!(client.traceparent().unwrap().ends_with("-01"), "{name}");
            client.end(ending);
        }
        assert!(span.end(ending), "{name}");
        until(name, || sink.kept.spans().len() == if left { 3 } else { 2 }).await;
    }
}

#[tokio::test]
async fn spans_that_are_never_sent_are_counted_and_a_place_that_leads_nowhere_secures_nothing() {
    let telemetry = telemetry(Some("http://127.0.0.1:9".to_owned()), 0.0);
    let done = Ending::Answered { bytes: 1, is_error: false };
    telemetry.server_span(facts(None), Some(&admitted())).end(done);
    let mut call = facts(None);
    call.decision = DecisionId::from_bits(8);
    let open = telemetry.server_span(call, Some(&admitted()));
    assert!(open.is_secured());
    telemetry.stop(Duration::from_secs(5)).await;
    assert!(!open.is_secured(), "the exporter is gone");
    assert!(!open.end(done));
    let counted = || telemetry.metrics_text().unwrap().contains("{queue=\"acknowledged\",result=\"unsent\"} 2");
    until("both are counted", counted).await;
    assert_eq!(telemetry.uses().fate(&DecisionId::from_bits(8)), Fate::Gone, "the journal tells it again");
}

#[tokio::test]
async fn a_span_that_ends_after_its_call_is_counted_as_late() {
    let sink = Sink::start();
    let telemetry = telemetry(sink.url(), 0.0);
    let server = telemetry.server_span(facts(None), Some(&admitted()));
    let client = server.client(peer());
    server.end(Ending::Cancelled);
    client.end(Ending::Cancelled);
    assert!(telemetry.metrics_text().unwrap().contains("result=\"late\"} 1"));
}
