//! Children that crash, hang, flood, lie and leave orphans (T031, T134): the others are unaffected.

use std::{path::Path, time::Duration};

use tokio::time::Instant;

use super::support::{Nursery, call, dispatch, failed, ready, server, text, until};
use crate::upstream::{CallEnd, FailureKind, Patience, ServerState, Upstreams};

/// T031, T134
#[tokio::test]
async fn a_child_that_breaks_the_conversation_is_dropped_and_started_anew() {
    for (tool, kind) in [
        ("crash", FailureKind::Closed),
        ("half", FailureKind::Closed),
        ("garbage", FailureKind::Closed),
        ("big", FailureKind::Closed),
        ("wrongid", FailureKind::Closed),
        ("duplicate", FailureKind::Closed),
    ] {
        let nursery = Nursery::new();
        let upstreams = nursery.start("modern").await;
        let started = Instant::now();
        let hanging = upstreams.send(call("hang", "{}"), dispatch());
        let breaking = async {
            until("both are in flight", || nursery.saw("tools/call")).await;
            upstreams.send(call(tool, "{}"), dispatch()).await
        };
        let (other, broken) = tokio::join!(hanging, breaking);
        assert_eq!(failed(broken), (kind, true), "{tool}");
        assert_eq!(failed(other), (kind, true), "{tool}: who waits is told at once");
        assert!(started.elapsed() < Duration::from_secs(15), "{tool}");
        until("it is started anew", || nursery.journal().iter().filter(|line| line.starts_with("start")).count() == 2)
            .await;
        ready(&upstreams).await;
        assert_eq!(text(upstreams.send(call("echo", r#"{"text":"again"}"#), dispatch()).await), "again", "{tool}");
        assert_eq!(
            nursery.journal().iter().filter(|line| line.starts_with("tools/call")).count(),
            3,
            "{tool}: T127, nothing was sent twice"
        );
    }
}

/// T031
#[tokio::test]
async fn the_first_of_two_answers_counts_and_chatter_is_ignored() {
    let nursery = Nursery::new();
    let upstreams = nursery.start("legacy").await;
    assert_eq!(text(upstreams.send(call("twice", "{}"), dispatch()).await), "first");
    assert_eq!(text(upstreams.send(call("chatter", "{}"), dispatch()).await), "still here");
    assert_eq!(text(upstreams.send(call("echo", r#"{"text":"mine"}"#), dispatch()).await), "mine");
    assert_eq!(upstreams.health()[&server("s")].failures, 0);
}

/// T134
#[tokio::test]
async fn a_child_that_no_longer_reads_is_started_anew() {
    let nursery = Nursery::new();
    let upstreams = nursery.start("modern").await;
    assert_eq!(text(upstreams.send(call("deaf", "{}"), dispatch()).await), "deaf");
    let started = || nursery.journal().iter().filter(|line| line.starts_with("start")).count();
    let end = upstreams.send(call("echo", r#"{"text":"lost"}"#), dispatch()).await;
    assert_eq!(failed(end).0, FailureKind::Closed);
    until("it is started anew", || started() == 2).await;
    ready(&upstreams).await;
    assert_eq!(text(upstreams.send(call("echo", r#"{"text":"heard"}"#), dispatch()).await), "heard");
}

/// T134
#[tokio::test]
async fn the_fifth_failure_disables_a_child_until_a_person_restarts_it() {
    let nursery = Nursery::new();
    let upstreams = Upstreams::start(vec![nursery.settings("stillborn")]).unwrap();
    let state = || upstreams.health()[&server("s")].state;
    until("it is disabled", || state() == ServerState::Disabled).await;
    assert_eq!(nursery.journal().len(), 5);
    let end = upstreams.send(call("echo", "{}"), dispatch()).await;
    assert_eq!(failed(end), (FailureKind::Disabled, false));
    assert!(upstreams.restart(&server("s")));
    until("it is tried again", || nursery.journal().len() > 5).await;
    assert!(!upstreams.restart(&server("other")));
}

/// T134
#[tokio::test]
async fn nothing_is_left_of_a_child_that_crashed_or_was_stopped() {
    let gone = |pid: &str| {
        let path = format!("/proc/{pid}/stat");
        // A killed grandchild may stay a zombie until whoever adopted it has looked; it runs no more.
        let stat = std::fs::read_to_string(Path::new(&path)).unwrap_or_default();
        stat.is_empty() || stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
    };
    let nursery = Nursery::new();
    let upstreams = nursery.start("legacy").await;
    let orphan = text(upstreams.send(call("orphan", "{}"), dispatch()).await);
    assert!(!gone(&orphan));
    assert_eq!(failed(upstreams.send(call("crash", "{}"), dispatch()).await).0, FailureKind::Closed);
    until("the orphan is gone", || gone(&orphan)).await;

    for mode in ["legacy", "stubborn"] {
        let nursery = Nursery::new();
        let upstreams = nursery.start(mode).await;
        let pid = text(upstreams.send(call("pid", "{}"), dispatch()).await);
        let orphan = text(upstreams.send(call("orphan", "{}"), dispatch()).await);
        upstreams.stop().await;
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{mode}: the child was waited for, no zombie");
        until("the orphan is gone", || gone(&orphan)).await;
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_is_tried_again_and_harms_nobody() {
    let (missing, present) = (Nursery::new(), Nursery::new());
    let mut settings = missing.settings("legacy");
    settings.name = server("missing");
    settings.patience = Patience::default();
    if let crate::upstream::Transport::Stdio(child) = &mut settings.transport {
        child.command = "/does/not/exist".into();
    }
    let upstreams = Upstreams::start(vec![settings, present.settings("legacy")]).unwrap();
    until("the other is ready", || upstreams.health()[&server("s")].state == ServerState::Ready).await;
    assert_eq!(upstreams.health()[&server("missing")].last_failure, Some(FailureKind::Unreachable));
    assert_eq!(upstreams.snapshot().len(), 1);
    assert!(matches!(upstreams.send(call("echo", "{}"), dispatch()).await, CallEnd::Answered { .. }));
}
