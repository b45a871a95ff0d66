//! The collector is lost, hangs, refuses, comes back: what happens to the lease and to the spans.

use std::{sync::Arc, time::Duration};

use super::{
    super::{Ending, Fate, Past, Settings, StartError, Telemetry, caller_span},
    admitted, facts,
    sink::{Sink, attribute},
    telemetry, until, verdict,
};
use crate::domain::{Basis, DecisionId, Effect};

const DONE: Ending = Ending::Answered { bytes: 1, is_error: false };

/// T088
#[tokio::test]
async fn a_dead_collector_loses_the_lease_and_on_its_return_the_queued_spans_arrive() {
    let sink = Sink::start();
    let telemetry = telemetry(sink.url(), 0.0);
    until("the first lease", || telemetry.lease().holds()).await;
    let (address, kept) = (sink.address, Arc::clone(&sink.kept));
    drop(sink);
    let lost = until("the lease is lost", || !telemetry.lease().holds()).await;
    assert!(lost < Duration::from_secs(2), "{lost:?}");
    for _ in 0..3 {
        assert!(telemetry.server_span(facts(None), Some(&admitted())).end(DONE));
    }
    until("what waits is counted", || telemetry.metrics_text().unwrap().contains("postern_trace_unacked 3")).await;
    assert!(kept.spans().is_empty());
    let _back = Sink::at(address, Arc::clone(&kept));
    until("the lease is back", || telemetry.lease().holds()).await;
    until("all three spans", || kept.spans().len() == 3).await;
}

/// T108
#[tokio::test]
async fn a_collector_that_hangs_loses_the_lease_and_holds_up_nobody() {
    let sink = Sink::start();
    let telemetry = telemetry(sink.url(), 1.0);
    until("the first lease", || telemetry.lease().holds()).await;
    sink.kept.hang(true);
    let lost = until("the lease is lost", || !telemetry.lease().holds()).await;
    assert!(lost < Duration::from_secs(2), "{lost:?}");
    telemetry.server_span(facts(None), Some(&admitted())).end(DONE);
    let granted = verdict(Effect::Allow, Basis::Rbac);
    let began = std::time::Instant::now();
    for _ in 0..10_000 {
        telemetry.server_span(facts(None), Some(&granted)).end(DONE);
    }
    assert!(began.elapsed() < Duration::from_secs(5));
    let text = telemetry.metrics_text().unwrap();
    let dropped = text.lines().find_map(|line| {
        line.strip_prefix("postern_trace_spans_total{queue=\"normal\",result=\"queue_full\"} ")?.parse::<u64>().ok()
    });
    assert!(dropped.unwrap() >= 7_000, "{text}");
    sink.kept.hang(false);
    until("the lease is back", || telemetry.lease().holds()).await;
    let used = || sink.kept.spans().iter().any(|span| attribute(span, "postern.exception.id").is_some());
    until("the use of the exception", used).await;
}

#[tokio::test]
async fn a_flood_of_refusals_leaves_room_for_exceptions_and_a_full_queue_secures_nothing() {
    let telemetry = telemetry(Some("http://127.0.0.1:9".to_owned()), 0.0);
    let refused = verdict(Effect::Deny, Basis::DefaultDeny);
    let secured =
        (0..5_000).filter(|_| telemetry.server_span(facts(None), Some(&refused)).end(Ending::Refused)).count();
    assert!((3_000..4_096).contains(&secured), "{secured}");
    let uses: Vec<_> = (0..2_000).map(|_| telemetry.server_span(facts(None), Some(&admitted()))).collect();
    let held = uses.iter().filter(|span| span.is_secured()).count();
    assert!((1_000..2_000).contains(&held), "{held}");
    assert!(!uses.last().unwrap().is_secured());
}

#[tokio::test]
async fn a_collector_that_refuses_spans_of_exceptions_is_not_trusted_until_it_takes_one() {
    let sink = Sink::start();
    let telemetry = telemetry(sink.url(), 0.0);
    until("the first lease", || telemetry.lease().holds()).await;
    sink.kept.refuse(true);
    telemetry.server_span(facts(None), Some(&admitted())).end(DONE);
    until("the refusal is counted", || {
        telemetry.metrics_text().unwrap().contains("postern_trace_rejected_spans_total 1")
    })
    .await;
    for _ in 0..20 {
        assert!(!telemetry.lease().holds(), "an empty answer must not bring the lease back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    sink.kept.refuse(false);
    until("the lease is back", || telemetry.lease().holds()).await;
    assert!(sink.kept.named("postern.probe").is_some());
}

/// T102: what a collector does not take grows nothing here.
#[tokio::test]
async fn fifty_thousand_calls_under_a_collector_that_hangs_keep_the_queues_at_their_bounds() {
    let sink = Sink::start();
    let telemetry = telemetry(sink.url(), 1.0);
    until("the first lease", || telemetry.lease().holds()).await;
    sink.kept.hang(true);
    let granted = verdict(Effect::Allow, Basis::Rbac);
    let (mut kept, mut uses) = (0, 0);
    for turn in 0..50_000_u128 {
        let mut call = facts(None);
        call.decision = DecisionId::from_bits(turn);
        let verdict = if turn % 5 == 0 { admitted() } else { granted.clone() };
        let used = telemetry.server_span(call, Some(&verdict)).end(DONE);
        if turn % 5 == 0 {
            uses += 1;
            kept += usize::from(used);
        }
        if turn % 1_000 == 0 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(uses, 10_000);
    assert!(kept <= 4_096 + 512, "{kept} uses are kept");
    let held = (0..50_000).filter(|n| telemetry.uses().fate(&DecisionId::from_bits(*n)) == Fate::Held).count();
    assert!(held <= 4_096 + 2_048 + 512, "{held} are held");
    let gone = (0..50_000_u128).step_by(5);
    let gone = gone.filter(|n| telemetry.uses().fate(&DecisionId::from_bits(*n)) == Fate::Gone).count();
    assert_eq!(gone + held, 10_000, "what is not kept is known to be gone, and the journal has it");
    sink.kept.hang(false);
    until("what was kept is acknowledged", || {
        (0..50_000).all(|n| telemetry.uses().fate(&DecisionId::from_bits(n)) != Fate::Held)
    })
    .await;
}

#[tokio::test]
async fn a_use_that_is_told_again_has_the_ids_that_it_had() {
    let sink = Sink::start();
    let telemetry = telemetry(sink.url(), 0.0);
    until("the first lease", || telemetry.lease().holds()).await;
    let call = facts(Some(super::CALLER));
    let now = call.now;
    let mut span = telemetry.server_span(call, Some(&admitted()));
    span.authorize(std::time::Instant::now(), std::time::Instant::now(), &admitted());
    span.client(super::peer()).end(DONE);
    let trace = span.trace_ids().unwrap().trace_id;
    span.end(DONE);
    until("it is acknowledged", || telemetry.uses().fate(&DecisionId::from_bits(7)) == Fate::Acknowledged).await;
    telemetry.uses().noted(&DecisionId::from_bits(7));
    let past = Past {
        decision: DecisionId::from_bits(7),
        trace,
        parent: caller_span(Some(super::CALLER)),
        agent: "spiffe://corp/agent/crm-pilot-7".into(),
        user: Some("alice@corp".into()),
        session: None,
        protocol: "2026-07-28".to_owned(),
        server: "crm".parse().unwrap(),
        tool: "get_customer".parse().unwrap(),
        exposed: "crm__get_customer".parse().unwrap(),
        verdict: admitted(),
        seq: 9,
        at: now,
        ended: now,
        took: Some(Duration::from_millis(2)),
        ending: DONE,
    };
    assert!(telemetry.tell_again(&past));
    until("it is acknowledged again", || telemetry.uses().fate(&DecisionId::from_bits(7)) == Fate::Acknowledged).await;
    let ids = |again: bool| {
        let spans = sink.kept.spans();
        let half = spans.len() / 2;
        let part = if again { &spans[half..] } else { &spans[..half] };
        let mut ids: Vec<_> = part
            .iter()
            .map(|span| (span.name.clone(), span.trace_id.clone(), span.span_id.clone(), span.parent_span_id.clone()))
            .collect();
        ids.sort();
        ids
    };
    assert_eq!((ids(false).len(), ids(false)), (3, ids(true)));
    assert!(!format!("{:?}", sink.kept.spans()).contains("alice"));
}

#[tokio::test]
async fn stopping_sends_what_waits_and_ends_the_lease() {
    let sink = Sink::start();
    let telemetry = telemetry(sink.url(), 1.0);
    telemetry.server_span(facts(None), Some(&admitted())).end(DONE);
    telemetry.server_span(facts(None), Some(&verdict(Effect::Allow, Basis::Rbac))).end(DONE);
    telemetry.stop(Duration::from_secs(5)).await;
    assert_eq!(sink.kept.spans().len(), 2);
    assert!(!telemetry.lease().holds());
    assert!(!telemetry.server_span(facts(None), Some(&admitted())).is_secured());
}

#[tokio::test]
async fn a_faulty_address_is_named() {
    for bad in
        ["", "collector", "https://collector:4317", "http://collector", "http://:4317/v1", "http://a:1/v1/traces"]
    {
        let settings = Settings { endpoint: Some(bad.to_owned()), ratio: 1.0, lease: Duration::from_secs(2) };
        assert!(matches!(Telemetry::start(&settings), Err(StartError::Endpoint(text)) if text == bad), "{bad}");
    }
}
