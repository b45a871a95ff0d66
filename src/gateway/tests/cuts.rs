//! What is taken back while a request becomes a record ends it before it leaves.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::support::House;
use crate::{
    domain::{Method, Reason},
    gateway::Cut,
    mcp::server::{Handler as _, Link, Reply},
};

const ROLE: &str = r#"@id("all") permit (principal in Role::"user", action in Action::"call", resource in Server::"s");
@id("docs") permit (principal in Role::"user", action == Action::"read", resource in Server::"s");"#;

/// What the agent reads of a request during whose record this happened.
async fn told(method: Method, target: &'static str, cut: Option<Cut>) -> String {
    let house = House::under(ROLE);
    let subject = house.subject().await;
    let cut = match cut {
        Some(Cut::Credential(_)) => Some(Cut::Credential(subject.credential.id.clone())),
        other => other,
    };
    house.durable(false);
    let gateway = Arc::clone(&house.gateway);
    let link = Link { notices: None, cancelled: CancellationToken::new(), session: None };
    let asked = tokio::spawn(async move { gateway.serve(subject, House::request(method, target), link).await });
    sleep(Duration::from_secs(1)).await;
    assert_eq!(house.gateway.parts.in_flight.count(), 1);
    if let Some(cut) = cut {
        assert_eq!(house.gateway.parts.in_flight.cut(&cut, Reason::Frozen), 1);
    }
    house.durable(true);
    let answer = asked.await.unwrap();
    assert_eq!((house.gateway.parts.in_flight.count(), house.recorded()), (0, 2), "request and outcome are on record");
    match answer {
        Ok(Reply::Complete { result, .. }) => String::from_utf8(result.to_vec()).unwrap(),
        Ok(other) => panic!("{other:?}"),
        Err(error) => error.message,
    }
}

/// T085, T093
#[tokio::test(start_paused = true)]
async fn a_request_whose_permission_is_taken_back_while_it_is_recorded_does_not_leave() {
    for (method, target) in [(Method::CallTool, "s__job"), (Method::ReadResource, "s+file:///docs/a")] {
        let left = told(method, target, None).await;
        assert!(left.contains("gave no usable answer"), "there is no server: {left}");
        for cut in [Cut::Everything, Cut::Credential("crd_1".parse().unwrap())] {
            let ended = told(method, target, Some(cut)).await;
            assert!(ended.contains("permission was taken back"), "{ended}");
        }
    }
}

#[tokio::test]
async fn a_call_that_the_store_refuses_is_no_failure_of_a_write() {
    let house = House::under(ROLE);
    house.fill();
    let link = Link { notices: None, cancelled: CancellationToken::new(), session: None };
    let answer = house.gateway.serve(house.subject().await, House::request(Method::CallTool, "s__job"), link).await;
    let Err(refused) = answer else { panic!("{answer:?}") };
    assert!(refused.message.contains("audit_unavailable"), "{refused:?}");
    let text = house.gateway.parts.telemetry.metrics_text().unwrap();
    assert!(text.lines().any(|line| line == "postern_audit_write_failures_total 0"), "{text}");
}
