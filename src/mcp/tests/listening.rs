//! Subscriptions of the modern era: what is granted, what is told, and under which tag.

use serde_json::{Value, json};

use crate::mcp::server::Event;

use super::support::{Ask, House};
use crate::mcp::List;

fn listen(wished: &Value) -> Ask {
    Ask::modern("subscriptions/listen", &json!({"notifications": wished}))
        .able(&json!({"extensions": {"io.modelcontextprotocol/tasks": {}}}))
}

#[tokio::test]
async fn everything_that_was_wished_for_and_is_granted_is_told_under_the_id_of_the_request() {
    let house = House::open().await;
    let wished = json!({
        "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
        "resourceSubscriptions": ["file:///x", "none:y"], "taskIds": ["t"], "unknown": 1
    });
    let mut socket = house.send(&listen(&wished).text()).await;
    socket.until("acknowledged").await;
    let granted = json!({
        "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
        "resourceSubscriptions": ["file:///x"], "taskIds": ["t"]
    });
    assert_eq!(socket.messages()[0]["params"]["notifications"], granted);
    for list in [List::Tools, List::Prompts, List::Resources] {
        house.tell(Event::Changed(list));
    }
    house.tell(Event::Updated(r#"{"uri":"file:///x","title":"X"}"#.into()));
    house.tell(Event::Task(r#"{"taskId":"t","status":"working"}"#.into()));
    socket.until("notifications/tasks").await;
    let told = socket.messages();
    let methods: Vec<_> = told.iter().filter_map(|told| told["method"].as_str()).collect();
    assert_eq!(
        methods[1..],
        [
            "notifications/tools/list_changed",
            "notifications/prompts/list_changed",
            "notifications/resources/list_changed",
            "notifications/resources/updated",
            "notifications/tasks"
        ]
    );
    assert!(told.iter().all(|told| told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == 1));
    assert_eq!(told[4]["params"]["title"], "X");
}

#[tokio::test]
async fn nothing_else_is_told() {
    let house = House::open().await;
    let mut socket = house.send(&listen(&json!({"promptsListChanged": true})).text()).await;
    socket.until("acknowledged").await;
    house.tell(Event::Changed(List::Tools));
    house.tell(Event::Task(r#"{"taskId":"t"}"#.into()));
    house.tell(Event::Changed(List::Prompts));
    socket.until("prompts/list_changed").await;
    assert_eq!(socket.messages().len(), 2);
}

#[tokio::test]
async fn a_wish_that_is_malformed_or_too_long_is_refused_and_tasks_are_left_out_where_there_are_none() {
    let house = House::open().await;
    let many: Vec<_> = (0..257).map(|n| format!("file:///{n}")).collect();
    for wished in
        [json!(1), json!({"toolsListChanged": "yes"}), json!({"resourceSubscriptions": many}), json!({"taskIds": [1]})]
    {
        assert_eq!(house.ask(&listen(&wished)).await.code(), -32602, "{wished}");
    }
    let mut socket = house.send(&listen(&json!({"taskIds": ["t"]})).to("POST /mcp/fs").text()).await;
    socket.until("acknowledged").await;
    assert_eq!(socket.messages()[0]["params"]["notifications"], json!({}));
}
