//! What spans say, to whom they are joined, and which are recorded.

use std::time::Instant;

use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};

use super::{
    super::Ending,
    CALLER, UNSAMPLED, admitted, facts, peer,
    sink::{Sink, attribute},
    telemetry, until, verdict,
};
use crate::domain::{Basis, Effect};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn the_three_spans_of_a_call_are_joined_to_the_callers_trace() {
    let sink = Sink::start();
    let telemetry = telemetry(sink.url(), 0.0);
    let mut call = facts(Some(CALLER));
    call.tracestate = Some("vendor=1".to_owned());
    let mut server = telemetry.server_span(call, Some(&admitted()));
    server.authorize(Instant::now(), Instant::now(), &admitted());
    server.satisfied(&["trace.full"]);
    server.audited(9);
    let client = server.client(peer());
    let (traceparent, tracestate) = (client.traceparent().unwrap(), client.tracestate());
    client.end(Ending::Answered { bytes: 12, is_error: false });
    let ids = server.trace_ids().unwrap();
    assert!(server.end(Ending::Answered { bytes: 12, is_error: false }));

    until("three spans", || sink.kept.spans().len() == 3).await;
    let server = sink.kept.named("tools/call crm__get_customer").unwrap();
    let authorize = sink.kept.named("postern.authorize").unwrap();
    let client = sink.kept.named("tools/call get_customer").unwrap();
    for span in [&server, &authorize, &client] {
        assert_eq!(hex(&span.trace_id), "0af7651916cd43dd8448eb211c80319c");
        assert!(span.start_time_unix_nano > 0 && span.end_time_unix_nano >= span.start_time_unix_nano);
    }
    assert_eq!(hex(&server.parent_span_id), "b7ad6b7169203331");
    assert_eq!((&authorize.parent_span_id, &client.parent_span_id), (&server.span_id, &server.span_id));
    let kinds = [&server, &authorize, &client].map(Span::kind);
    assert_eq!(kinds, [SpanKind::Server, SpanKind::Internal, SpanKind::Client]);
    assert_eq!(traceparent, format!("00-{}-{}-01", hex(&client.trace_id), hex(&client.span_id)));
    assert_eq!(tracestate.as_deref(), Some("vendor=1"));
    assert_eq!((ids.trace_id, ids.span_id), (hex(&server.trace_id), hex(&server.span_id)));

    let said = |span, key| attribute(span, key).unwrap();
    assert_eq!(said(&server, "postern.exception.id"), "EX-2026-0042");
    assert_eq!(said(&server, "postern.authz.decision"), "allow");
    assert_eq!(said(&server, "postern.audit.seq"), "IntValue(9)");
    assert_eq!(said(&server, "gen_ai.tool.name"), "crm__get_customer");
    assert!(!format!("{server:?}").contains("alice"), "a person is shown as a pseudonym");
    assert_eq!(said(&authorize, "postern.authz.decision.id"), "dec_00000000000000000000000000000007");
    assert_eq!(
        (said(&client, "gen_ai.tool.name"), said(&client, "server.port")),
        ("get_customer".into(), "IntValue(443)".into())
    );
}

#[tokio::test]
async fn exceptions_and_refusals_are_recorded_though_the_caller_does_not_sample() {
    let sink = Sink::start();
    let telemetry = telemetry(sink.url(), 0.0);
    for verdict in [admitted(), verdict(Effect::Deny, Basis::DefaultDeny)] {
        let server = telemetry.server_span(facts(Some(UNSAMPLED)), Some(&verdict));
        assert!(server.is_secured());
        assert!(server.client(peer()).traceparent().unwrap().ends_with("-01"));
        server.end(Ending::Refused);
    }
    // A flag that asks for recording gets no more than the configured share: here none.
    let server = telemetry.server_span(facts(Some(CALLER)), Some(&verdict(Effect::Allow, Basis::Rbac)));
    assert!(!server.trace_ids().unwrap().recorded && !server.is_secured());
    assert!(server.client(peer()).traceparent().unwrap().ends_with("-00"));
    server.end(Ending::Answered { bytes: 1, is_error: false });

    telemetry.stop(std::time::Duration::from_secs(5)).await;
    let decided: Vec<_> = sink.kept.spans().iter().filter(|s| s.kind() == SpanKind::Server).cloned().collect();
    assert_eq!(
        decided.iter().map(|s| attribute(s, "postern.authz.decision").unwrap()).collect::<Vec<_>>(),
        ["allow", "deny"]
    );
}

#[tokio::test]
async fn a_share_of_the_other_traces_is_recorded_and_a_caller_can_only_have_less() {
    let sink = Sink::start();
    let granted = verdict(Effect::Allow, Basis::Rbac);
    let share = |ratio: f64, flags: &str| {
        let telemetry = telemetry(sink.url(), ratio);
        let recorded = |n: u32| {
            let parent = format!("00-0000000000000000{n:016x}-b7ad6b7169203331-{flags}");
            let span = telemetry.server_span(facts(Some(&parent)), Some(&granted));
            span.trace_ids().unwrap().recorded
        };
        (1..=1_000).filter(|n| recorded(*n)).count()
    };
    assert_eq!((share(1.0, "01"), share(1.0, "00"), share(0.0, "01")), (1_000, 0, 0));
    let tenth = share(0.1, "01");
    assert!((50..200).contains(&tenth), "{tenth} of 1,000 chosen trace ids");
}

#[tokio::test]
async fn a_refusal_after_the_decision_is_recorded_too() {
    let sink = Sink::start();
    let telemetry = telemetry(sink.url(), 0.0);
    let mut server = telemetry.server_span(facts(Some(UNSAMPLED)), Some(&verdict(Effect::Allow, Basis::Rbac)));
    server.authorize(Instant::now(), Instant::now(), &verdict(Effect::Deny, Basis::Rbac));
    assert!(server.end(Ending::RpcError { code: -32602 }));
    until("two spans", || sink.kept.spans().len() == 2).await;
    let server = sink.kept.named("tools/call crm__get_customer").unwrap();
    assert_eq!(attribute(&server, "postern.authz.decision").as_deref(), Some("deny"));
    assert_eq!(attribute(&server, "rpc.response.status_code").as_deref(), Some("-32602"));
    // The caller's own fault is no error of this side.
    assert_eq!(server.status.unwrap().code(), StatusCode::Unset);
}

#[tokio::test]
async fn a_call_that_nobody_ends_is_recorded_as_abandoned() {
    let sink = Sink::start();
    let telemetry = telemetry(sink.url(), 0.0);
    let server = telemetry.server_span(facts(None), Some(&admitted()));
    drop(server.client(peer()));
    drop(server);
    until("two spans", || sink.kept.spans().len() == 2).await;
    assert!(sink.kept.spans().iter().all(|span| attribute(span, "error.type").as_deref() == Some("abandoned")));
}

/// T030
#[tokio::test]
async fn a_forged_parent_begins_a_new_trace() {
    let sink = Sink::start();
    let telemetry = telemetry(sink.url(), 1.0);
    let server = telemetry.server_span(facts(Some("00-garbage-01")), Some(&admitted()));
    assert_eq!(server.trace_ids().unwrap().trace_id.len(), 32);
    server.end(Ending::Answered { bytes: 1, is_error: false });
    until("a root span", || sink.kept.spans().iter().any(|span| span.parent_span_id.is_empty())).await;
}

#[tokio::test]
async fn without_a_collector_no_span_is_made_and_the_lease_never_holds() {
    let telemetry = telemetry(None, 1.0);
    let server = telemetry.server_span(facts(Some(CALLER)), Some(&admitted()));
    assert!(!server.is_secured() && server.trace_ids().is_none());
    assert_eq!(server.client(peer()).traceparent().as_deref(), Some(CALLER));
    assert!(!server.end(Ending::Answered { bytes: 1, is_error: false }));
    assert!(!telemetry.lease().holds());
}
