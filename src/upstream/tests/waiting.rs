//! Calls that wait for an answer: their time, and children that ask.

use serde_json::{Value, json, value::RawValue};
use tokio::sync::oneshot;

use super::support::{Nursery, asked, call, can, code, dispatch, given, principal, progress, text, until};
use crate::{
    domain::limits,
    mcp::{InputMethod, LogLevel, Notice},
    upstream::{
        Dispatch, FailureKind,
        errand::Errand,
        rounds::{EarRef, Flight, Lot, Question, Slot, Step},
    },
};

struct Fake(Option<Question>, #[allow(dead_code)] oneshot::Sender<()>, Slot);

fn slot() -> Slot {
    std::sync::Arc::new(tokio::sync::Semaphore::new(1)).try_acquire_owned().unwrap().into()
}

impl Flight for Fake {
    fn question(&mut self) -> &mut Option<Question> {
        &mut self.0
    }

    fn slot(&mut self) -> &mut Slot {
        &mut self.2
    }

    async fn reply(&mut self, _: &RawValue, _: &RawValue) -> Result<(), FailureKind> {
        Ok(())
    }

    async fn step(&mut self, _: EarRef<'_>) -> Result<Step, FailureKind> {
        Ok(Step::Asks)
    }

    async fn idle(&mut self) {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_its_time_and_no_longer() {
    let lot = Lot::new(8);
    let errand = Errand::Call(call("echo", "{}"));
    let (alive, mut gone) = oneshot::channel();
    let id = RawValue::from_string("1".to_owned()).unwrap();
    let question = Question { id, method: InputMethod::ListRoots, params: None };
    let required = lot.park(Fake(Some(question), alive, slot()), &able(), &errand).unwrap();
    let state = required.state.unwrap();
    tokio::time::sleep(limits::INPUT_TIME - std::time::Duration::from_secs(1)).await;
    assert!(gone.try_recv() == Err(oneshot::error::TryRecvError::Empty));
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert!(gone.try_recv() == Err(oneshot::error::TryRecvError::Closed));
    assert!(lot.take(&state, &principal("a"), &errand).await.is_none());
}

fn able() -> Dispatch {
    let all = can(&json!({"elicitation": {}, "sampling": {}, "roots": {}}));
    Dispatch { principal: principal("a"), capabilities: all, ..dispatch() }
}

#[tokio::test]
async fn a_child_asks_the_one_call_that_is_in_flight() {
    let nursery = Nursery::new();
    let upstreams = nursery.start("legacy").await;
    let (method, params, state) = asked(upstreams.send(call("elicit", "{}"), able()).await);
    assert_eq!((method, params), ("elicitation/create", json!({"message": "m"})));
    let next = Dispatch { input: given(&state, &json!({"action": "accept", "content": {"a": 1}})), ..able() };
    let (method, params, state) = asked(upstreams.send(call("elicit", "{}"), next).await);
    assert_eq!((method, params), ("roots/list", Value::Null), "a second question is a second round");
    let end =
        upstreams.send(call("elicit", "{}"), Dispatch { input: given(&state, &json!({"roots": []})), ..able() }).await;
    let said: Value = serde_json::from_str(&text(end)).unwrap();
    assert_eq!(said, json!([{"action": "accept", "content": {"a": 1}}, {"roots": []}]));
    let again = Dispatch { input: given(&state, &json!({})), ..able() };
    assert_eq!(code(upstreams.send(call("elicit", "{}"), again).await), -32602);
}

/// T034
#[tokio::test]
async fn a_child_that_works_on_two_calls_can_ask_nobody() {
    let nursery = Nursery::new();
    let upstreams = nursery.start("legacy").await;
    let other = Dispatch { principal: principal("b"), ..able() };
    let stop = other.cancelled.clone();
    let hanging = upstreams.send(call("hang", "{}"), other);
    let asking = async {
        until("the other is in flight", || nursery.saw("tools/call")).await;
        let end = upstreams.send(call("elicit", "{}"), able()).await;
        stop.cancel();
        end
    };
    let (_, end) = tokio::join!(hanging, asking);
    assert!(text(end).contains("several calls are in flight"));
}

#[tokio::test]
async fn roots_are_not_told_outside_of_a_call_and_a_child_is_told_when_a_call_is_given_up() {
    let nursery = Nursery::new();
    let upstreams = nursery.start("legacy roots").await;
    // An error and no empty list, which a server would keep for the calls that follow.
    until("it has its answer", || nursery.saw("outside {'code': -32603")).await;
    let (.., state) = asked(upstreams.send(call("elicit", "{}"), able()).await);
    assert_eq!(state.len(), 32);
    assert_eq!(text(upstreams.send(call("echo", r#"{"text":"others go on"}"#), dispatch()).await), "others go on");
    upstreams.stop().await;
    let lines = nursery.journal();
    assert!(lines.iter().any(|line| line.starts_with("asked in vain")), "{lines:?}");
}

#[tokio::test]
async fn a_childs_log_messages_belong_to_the_one_call_in_flight() {
    let nursery = Nursery::new();
    let upstreams = nursery.start("legacy logging").await;
    for (level, count) in [(None, 0), (Some(LogLevel::Warning), 1), (Some(LogLevel::Debug), 2)] {
        let (sender, mut notices) = progress();
        let with = Dispatch { notices: Some(sender), log_level: level, ..dispatch() };
        assert_eq!(text(upstreams.send(call("log", "{}"), with).await), "logged");
        let mut told = 0;
        while let Some(Notice::Log(..)) = notices.recv().await {
            told += 1;
        }
        assert_eq!(told, count, "{level:?}");
    }
    let set = nursery.journal().iter().filter(|line| line.starts_with("logging/setLevel {")).count();
    assert_eq!(set, 2, "once for each level that is less severe");
}
