//! Calls that nobody waits for and that their server may still work on: what it says may be of them.

use serde_json::{Value, json};

use super::support::{Nursery, asked, call, can, dispatch, principal, progress, text, until};
use crate::{
    mcp::LogLevel,
    upstream::{CallEnd, Dispatch},
};

fn able(who: &str) -> Dispatch {
    let all = can(&json!({"elicitation": {}, "sampling": {}, "roots": {}}));
    Dispatch { principal: principal(who), capabilities: all, ..dispatch() }
}

/// T034
#[tokio::test]
async fn what_a_child_asks_or_logs_may_be_of_a_call_that_was_given_up_until_that_is_answered() {
    let nursery = Nursery::new();
    let upstreams = nursery.start("legacy logging").await;
    let dropped = able("a");
    let stop = dropped.cancelled.clone();
    let hold = |text: &str| call("hold", &json!({"text": text, "of": 2}).to_string());
    let giving_up = async {
        until("it is in flight", || nursery.saw("tools/call")).await;
        stop.cancel();
    };
    let (end, ()) = tokio::join!(upstreams.send(hold("a"), dropped), giving_up);
    assert!(matches!(end, CallEnd::Cancelled));

    let refused: Value = serde_json::from_str(&text(upstreams.send(call("elicit", "{}"), able("b")).await)).unwrap();
    assert!(refused["message"].as_str().unwrap().contains("given up"), "{refused}");
    let log = async || {
        let (sender, mut notices) = progress();
        let with = Dispatch { notices: Some(sender), log_level: Some(LogLevel::Debug), ..able("b") };
        assert_eq!(text(upstreams.send(call("log", "{}"), with).await), "logged");
        let mut told = 0;
        while notices.recv().await.is_some() {
            told += 1;
        }
        told
    };
    assert_eq!(log().await, 0);

    assert_eq!(text(upstreams.send(hold("b"), able("b")).await), "b", "the child answers both");
    assert_eq!(log().await, 2);
    let (method, ..) = asked(upstreams.send(call("elicit", "{}"), able("b")).await);
    assert_eq!(method, "elicitation/create");
}
