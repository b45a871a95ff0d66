//! AuthZEN beyond one question: batches, searches, and access requests with several items.

use std::fs;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::case;
use crate::{
    Case,
    gateway::{ADMINISTRATOR, APPROVER, Gateway, REQUESTER, SECURITY},
    wire::Agent,
};

pub fn cases() -> Vec<Case> {
    vec![
        case!("AuthZEN batches and searches answer for roles", "I20", 60, questions),
        case!("an access request with several items is all or nothing", "T080", 60, items),
        case!("a key that is bound to an address works from nowhere else", "T091", 60, bound),
    ]
}

const ASK: &str = r#"@id("ask")
permit (principal in Role::"echoer", action == Action::"request", resource == Tool::"rec/remember");
"#;
const WHY: &str = "The release notes have to be remembered before the next release goes out.";

async fn asking() -> anyhow::Result<Gateway> {
    let gateway = Gateway::start().await?;
    fs::write(gateway.folder.path().join("policies/roles/ask.cedar"), ASK)?;
    gateway.ok(ADMINISTRATOR, &["reload"]).await?;
    Ok(gateway)
}

fn agent() -> Value {
    json!({"type": "agent", "id": "worker"})
}

fn tool(name: &str) -> Value {
    json!({"type": "tool", "id": name})
}

async fn questions() -> anyhow::Result<()> {
    let gateway = asking().await?;
    let batch = |semantic: &str| {
        json!({"subject": agent(), "action": {"name": "tools/call"}, "options": {"evaluations_semantic": semantic},
        "evaluations": [
            {"resource": tool("rec/remember"), "context": {"arguments": {"text": "a"}}},
            {"resource": tool("rec/remember"), "context": {"arguments": {"wrong": 1}}},
            {"context": {}},
            {"resource": tool("rec/nothing")}
        ]})
    };
    let (status, all) = gateway.admin(REQUESTER, "POST", "/access/v1/evaluations", &batch("execute_all")).await?;
    let answers = all["evaluations"].as_array().context("no answers")?;
    ensure!(status == 200 && answers.len() == 4, "{status} {all}");
    ensure!(answers.iter().all(|answer| answer["decision"] == json!(false)), "{all}");
    ensure!(answers[0]["context"]["access_request"].is_object(), "the first can be asked for: {all}");
    ensure!(answers[1]["context"]["error"]["status"] == json!(400), "the second does not fit: {all}");
    ensure!(answers[2]["context"]["error"]["message"].as_str().is_some_and(|m| m.contains("resource")), "{all}");
    let (_, first) = gateway.admin(REQUESTER, "POST", "/access/v1/evaluations", &batch("deny_on_first_deny")).await?;
    ensure!(first["evaluations"].as_array().map(Vec::len) == Some(1), "{first}");
    let many = json!({"subject": agent(), "action": {"name": "tools/call"}, "resource": tool("rec/remember"),
        "evaluations": vec![json!({}); 51]});
    let (status, _) = gateway.admin(REQUESTER, "POST", "/access/v1/evaluations", &many).await?;
    ensure!(status == 400, "51 questions: {status}");

    let search = json!({"subject": agent(), "action": {"name": "tools/call"}, "resource": {"type": "tool"},
        "page": {"limit": 1}});
    let (mut found, mut search) = (Vec::new(), search);
    loop {
        let (status, page) = gateway.admin(REQUESTER, "POST", "/access/v1/search/resource", &search).await?;
        ensure!(
            status == 200 && page["results"].as_array().is_some_and(|results| results.len() <= 1),
            "{status} {page}"
        );
        found.extend(page["results"].as_array().cloned().unwrap_or_default());
        let next = page["page"]["next_token"].as_str().context("no token")?.to_owned();
        if next.is_empty() {
            break;
        }
        search["page"]["token"] = next.into();
    }
    ensure!(!found.is_empty() && !found.contains(&tool("rec/remember")), "what worker may: {found:?}");
    let allowed = found[0].clone();
    let mut foreign = search.clone();
    foreign["subject"]["id"] = "somebody".into();
    let (status, _) = gateway.admin(REQUESTER, "POST", "/access/v1/search/resource", &foreign).await?;
    ensure!(status == 400, "a token of another search: {status}");
    let who = json!({"subject": {"type": "agent"}, "action": {"name": "tools/call"}, "resource": allowed});
    let (_, agents) = gateway.admin(REQUESTER, "POST", "/access/v1/search/subject", &who).await?;
    ensure!(agents["results"].as_array().is_some_and(|all| all.contains(&agent())), "{agents}");
    let what = json!({"subject": agent(), "resource": allowed});
    let (_, actions) = gateway.admin(REQUESTER, "POST", "/access/v1/search/action", &what).await?;
    ensure!(actions["results"] == json!([{"name": "tools/call"}]), "{actions}");
    Ok(())
}

async fn items() -> anyhow::Result<()> {
    let gateway = asking().await?;
    let mut items = Vec::new();
    for text in ["one", "two"] {
        let question = json!({"subject": agent(), "action": {"name": "tools/call"}, "resource": tool("rec/remember"),
            "context": {"arguments": {"text": text}}});
        let (_, denied) = gateway.admin(REQUESTER, "POST", "/access/v1/evaluation", &question).await?;
        let denied = &denied["context"];
        items.push(json!({"action": question["action"], "resource": question["resource"], "context": question["context"],
            "denial": {"evaluation_id": denied["evaluation_id"], "expires_at": denied["access_request"]["expires_at"]}}));
    }
    let mut request = json!({"subject": agent(), "items": items, "context": {"business_justification": WHY,
        "wish": {"team": "docs", "constraint": "No role yet.", "objective": "Least privilege.",
            "identified_risk": "A wrong note.", "residual_risk": "low", "target_role": "rememberer",
            "criteria": "No wrong note."}}});
    let mut wider = request.clone();
    wider["items"][1]["context"]["arguments"]["text"] = "anything".into();
    let (status, problem) = gateway.admin(REQUESTER, "POST", "/access/v1/requests", &wider).await?;
    let kind = problem["type"].as_str().unwrap_or_default();
    ensure!(status == 400 && kind.ends_with("invalid_denial_binding"), "{status} {problem}");
    let none = gateway.ok(REQUESTER, &["exception", "list"]).await?;
    ensure!(none == json!([]), "one wrong item, and nothing was made: {none}");
    let (status, asked) = gateway.admin(REQUESTER, "POST", "/access/v1/requests", &request).await?;
    ensure!(status == 202 && asked["task"]["items"].as_array().map(Vec::len) == Some(2), "{status} {asked}");
    ensure!(asked["task"]["status"] == json!("pending") && asked.get("result").is_none(), "{asked}");
    let (_, again) = gateway.admin(REQUESTER, "POST", "/access/v1/requests", &request).await?;
    ensure!(again["task"]["id"] == asked["task"]["id"], "the same request is another task: {again}");
    let id = asked["task"]["items"][0]["exception"].as_str().context("no exception")?;
    for person in [APPROVER, SECURITY] {
        gateway.ok(person, &["exception", "approve", id]).await?;
    }
    let place = format!("/access/v1/requests/{}", asked["task"]["id"].as_str().context("no id")?);
    let (_, half) = gateway.admin(REQUESTER, "GET", &place, &Value::Null).await?;
    ensure!(half["task"]["status"] == json!("pending"), "one still waits: {half}");
    ensure!(half["task"]["items"][0]["result"]["mode"] == json!("reevaluate"), "{half}");
    let (_, over) = gateway.admin(REQUESTER, "POST", &format!("{place}/cancel"), &json!({})).await?;
    ensure!(over["task"]["status"] == json!("partial") && over.get("result").is_none(), "{over}");
    ensure!(over["task"]["items"][1]["status"] == json!("cancelled"), "{over}");
    let answer = gateway.agent.call("rec__remember", json!({"text": "one"})).await?;
    ensure!(answer.is_done(), "the call of the approved item: {}", answer.told());
    request["resource"] = tool("rec/remember");
    let (status, _) = gateway.admin(REQUESTER, "POST", "/access/v1/requests", &request).await?;
    ensure!(status == 400, "`resource` beside `items`: {status}");
    Ok(())
}

/// T091
async fn bound() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let make = ["key", "create", "--agent", "worker", "--address"];
    let here = gateway.ok(ADMINISTRATOR, &[&make[..], &["127.0.0.1"]].concat()).await?;
    let elsewhere = gateway.ok(ADMINISTRATOR, &[&make[..], &["127.0.0.2", "--address", "10.0.0.0/8"]].concat()).await?;
    let keys = gateway.ok(ADMINISTRATOR, &["key", "list"]).await?;
    let kept = keys.as_array().into_iter().flatten().find(|key| key["id"] == elsewhere["id"]).context("not listed")?;
    ensure!(kept["networks"] == json!(["127.0.0.2/32", "10.0.0.0/8"]), "{kept}");
    let mut states = Vec::new();
    for key in [&here, &elsewhere] {
        let key = key["key"].as_str().context("no key")?;
        states.push(
            Agent { address: gateway.agent.address, key: key.to_owned() }
                .call("rec__echo", json!({"text": "a"}))
                .await?
                .status
                .as_u16(),
        );
    }
    ensure!(states[0] != 401 && states[1] == 401, "{states:?}");
    Ok(())
}
