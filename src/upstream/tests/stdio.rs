//! Children: both eras, many calls at once, lists, progress, cancellation, and their environment.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::support::{Nursery, answered, call, dispatch, failed, progress, ready, step, text, until};
use crate::{
    domain::Secret,
    upstream::{CallEnd, Dispatch, FailureKind, Meter, ServerState, Upstreams},
};

#[tokio::test]
async fn a_child_of_either_era_is_greeted_listed_and_called() {
    for (mode, version) in [("modern", "2026-07-28"), ("legacy", "2025-11-25"), ("old banner", "2024-11-05")] {
        let nursery = Nursery::new();
        let upstreams = nursery.start(mode).await;
        let health = upstreams.health().into_values().next().unwrap();
        assert_eq!((health.version, health.tools), (Some(version), 1), "{mode}");
        let end = upstreams.send(call("echo", "{\n\"text\":\r\n\"hi\"}"), dispatch()).await;
        assert_eq!(text(end), "hi", "{mode}: line ends between tokens do not tear the message");
        let lasted = Arc::<Mutex<Vec<_>>>::default();
        let noted = Arc::clone(&lasted);
        let meter: Meter = Arc::new(move |_, version, _| noted.lock().unwrap().push(version));
        upstreams.measure(&meter);
        upstreams.stop().await;
        let sessions = if mode == "modern" { Vec::new() } else { vec![version] };
        assert_eq!(*lasted.lock().unwrap(), sessions, "a modern child has no session");
    }
}

#[tokio::test]
async fn a_child_that_dies_of_the_modern_question_or_ignores_it_is_greeted_as_legacy() {
    let nursery = Nursery::new();
    let upstreams = nursery.start("fragile").await;
    assert_eq!(text(upstreams.send(call("echo", r#"{"text":"hi"}"#), dispatch()).await), "hi");
    assert_eq!(upstreams.health().into_values().next().unwrap().failures, 1);

    let nursery = Nursery::new();
    let mut settings = nursery.settings("mute");
    settings.timeout = Duration::from_secs(2);
    let upstreams = Upstreams::start(vec![settings]).unwrap();
    ready(&upstreams).await;
    assert_eq!(text(upstreams.send(call("echo", r#"{"text":"hi"}"#), dispatch()).await), "hi");
}

#[tokio::test]
async fn what_is_sent_names_only_what_the_era_knows() {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let sent = async |mode: &str| {
        let nursery = Nursery::new();
        let upstreams = nursery.start(mode).await;
        let end = upstreams.send(call("meta", "{}"), Dispatch { traceparent: Some(trace.into()), ..dispatch() }).await;
        serde_json::from_str::<Value>(&text(end)).unwrap()
    };
    assert_eq!(sent("legacy").await, json!({"traceparent": trace}));
    let modern = sent("modern").await;
    assert_eq!(modern["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    assert_eq!(modern["io.modelcontextprotocol/clientCapabilities"], json!({}));
    assert_eq!((&modern["traceparent"], modern.get("progressToken")), (&json!(trace), None));
}

/// T028
#[tokio::test]
async fn two_hundred_calls_at_once_over_one_child_are_never_crossed() {
    let nursery = Nursery::new();
    let upstreams = std::sync::Arc::new(nursery.start("modern").await);
    let calls: Vec<_> = (0..200)
        .map(|number| {
            let upstreams = upstreams.clone();
            let arguments = json!({"text": format!("marker-{number}"), "of": 200}).to_string();
            tokio::spawn(async move { text(upstreams.send(call("hold", &arguments), dispatch()).await) })
        })
        .collect();
    for (number, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap(), format!("marker-{number}"));
    }
}

#[tokio::test]
async fn progress_reaches_the_caller_before_the_answer_under_no_token() {
    let nursery = Nursery::new();
    let upstreams = nursery.start("legacy").await;
    let (sender, mut steps) = progress();
    let end =
        upstreams.send(call("progress", "{}"), Dispatch { notices: Some(sender), progress: true, ..dispatch() }).await;
    assert_eq!(text(end), "done");
    assert_eq!(step(steps.recv().await), r#"{"progress":1,"total":2}"#);
    assert_eq!(step(steps.recv().await), r#"{"progress":2,"total":2}"#);
    assert!(steps.recv().await.is_none());
}

#[tokio::test]
async fn a_call_that_is_cancelled_late_or_dropped_is_cancelled_at_the_child() {
    let nursery = Nursery::new();
    let upstreams = nursery.start("modern").await;
    let cancelled = CancellationToken::new();
    let hanging = upstreams.send(call("hang", "{}"), Dispatch { cancelled: cancelled.clone(), ..dispatch() });
    let stopping = async {
        until("the call arrives", || nursery.saw("tools/call")).await;
        cancelled.cancel();
    };
    let (end, ()) = tokio::join!(hanging, stopping);
    assert!(matches!(end, CallEnd::Cancelled));
    until("the child is told", || nursery.saw("notifications/cancelled ")).await;

    let soon = Instant::now() + Duration::from_millis(50);
    let end = upstreams.send(call("hang", "{}"), Dispatch { deadline: soon, ..dispatch() }).await;
    assert!(matches!(end, CallEnd::TimedOut));
    let told = || nursery.journal().iter().filter(|line| line.starts_with("notifications/cancelled ")).count();
    until("the child is told again", || told() == 2).await;

    let dropped = tokio::time::timeout(Duration::from_millis(50), upstreams.send(call("hang", "{}"), dispatch())).await;
    assert!(dropped.is_err());
    until("the child is told a third time", || told() == 3).await;
    assert_eq!(text(upstreams.send(call("echo", r#"{"text":"alive"}"#), dispatch()).await), "alive");
}

#[tokio::test]
async fn a_list_is_read_to_its_end_and_again_when_it_changed() {
    let nursery = Nursery::new();
    let upstreams = nursery.start("paged").await;
    assert_eq!(upstreams.snapshot().into_values().next().unwrap().len(), 2, "an empty cursor is a cursor");

    for mode in ["legacy", "modern"] {
        let nursery = Nursery::new();
        let upstreams = nursery.start(mode).await;
        let mut changes = upstreams.definitions();
        changes.borrow_and_update();
        assert_eq!(text(upstreams.send(call("grow", "{}"), dispatch()).await), "grown");
        tokio::time::timeout(Duration::from_secs(20), changes.changed()).await.unwrap().unwrap();
        let tools = upstreams.snapshot().into_values().next().unwrap();
        assert_eq!(tools[1].get(), r#"{"name": "grown", "inputSchema": {"type": "object"}}"#);
    }
}

#[tokio::test]
async fn a_list_without_end_is_no_list() {
    let nursery = Nursery::new();
    let upstreams = Upstreams::start(vec![nursery.settings("endless")]).unwrap();
    until("it fails", || upstreams.health().values().all(|health| health.last_failure == Some(FailureKind::Garbage)))
        .await;
    assert!(upstreams.snapshot().is_empty());
    assert!(!failed(upstreams.send(call("echo", "{}"), dispatch()).await).1);
}

#[tokio::test]
async fn a_server_that_asks_something_is_refused_and_its_ping_answered() {
    let nursery = Nursery::new();
    let upstreams = nursery.start("legacy").await;
    assert_eq!(text(upstreams.send(call("ask", "{}"), dispatch()).await), r#"{"q1": -32601, "q2": "ok"}"#);
}

#[tokio::test]
async fn a_refusal_cannot_be_forged_and_structured_content_is_untouched() {
    let nursery = Nursery::new();
    let upstreams = nursery.start("modern").await;
    let CallEnd::Answered { result, is_error, .. } = upstreams.send(call("forge", "{}"), dispatch()).await else {
        panic!()
    };
    assert!(is_error);
    let expected =
        r#"{"content":[],"isError":true,"structuredContent":{"z": 1, "a": [1]},"_meta":{"com.example/x":1}}"#;
    let plain = String::from_utf8(result.to_vec()).unwrap();
    assert_eq!(plain.replace(' ', ""), expected.replace(' ', ""));
    assert!(plain.contains(r#"{"z": 1, "a": [1]}"#), "byte for byte: {plain}");
    assert_eq!(failed(upstreams.send(call("input", "{}"), dispatch()).await), (FailureKind::Garbage, true));
}

#[tokio::test]
async fn several_messages_at_once_are_taken_where_the_revision_has_them() {
    let nursery = Nursery::new();
    let upstreams = nursery.start("batches").await;
    assert_eq!(text(upstreams.send(call("batch", "{}"), dispatch()).await), "of two");
    let nursery = Nursery::new();
    let upstreams = nursery.start("legacy").await;
    let soon = Instant::now() + Duration::from_millis(300);
    let end = upstreams.send(call("batch", "{}"), Dispatch { deadline: soon, ..dispatch() }).await;
    assert!(matches!(end, CallEnd::TimedOut), "elsewhere it is no message");
}

/// T132
#[tokio::test]
async fn a_child_inherits_nothing_of_our_environment() {
    let mut nursery = Nursery::new();
    nursery.env.insert("ALLOWED".into(), Secret::new("yes".into()));
    let upstreams = nursery.start("legacy").await;
    let env: Value = serde_json::from_str(&text(upstreams.send(call("env", "{}"), dispatch()).await)).unwrap();
    // Python itself adds LC_CTYPE where no locale is set.
    let names: Vec<_> = env.as_object().unwrap().keys().filter(|name| *name != "LC_CTYPE").collect();
    assert_eq!(names, ["ALLOWED"]);
    assert!(std::env::vars().count() > 1, "there was something to inherit");
}

/// T130
#[tokio::test]
async fn a_command_without_a_whole_path_is_refused() {
    let nursery = Nursery::new();
    let mut settings = nursery.settings("legacy");
    if let crate::upstream::Transport::Stdio(child) = &mut settings.transport {
        child.command = "python3".into();
    }
    assert!(Upstreams::start(vec![settings]).is_err());
}

#[tokio::test]
async fn what_a_child_writes_to_its_errors_is_kept_within_a_bound_and_shown_safely() {
    let nursery = Nursery::new();
    let upstreams = nursery.start("legacy").await;
    let _said = answered(upstreams.send(call("stderr", "{}"), dispatch()).await);
    let name = super::support::server("s");
    until("it is read", || upstreams.errors_of(&name).unwrap().ends_with("\u{fffd}[31mlast words\n")).await;
    assert!(upstreams.errors_of(&name).unwrap().len() <= (64 << 10) + 2);
    assert!(matches!(upstreams.health()[&name].state, ServerState::Ready));
}
