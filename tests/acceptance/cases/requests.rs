//! From a refusal to an exception: by a command, and by the AuthZEN access request profile.

use std::fs;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::case;
use crate::{
    Case,
    gateway::{ADMINISTRATOR, APPROVER, Gateway, OWNER, REQUESTER, SECURITY},
};

pub fn cases() -> Vec<Case> {
    vec![
        case!("a refused call becomes an exception with one command", "I3", 60, command),
        case!("an AuthZEN access request leads to the call", "I5 I6", 60, authzen),
        case!("an access request that is not of its refusal is refused", "T080", 60, foreign),
    ]
}

const TOOL: &str = "rec__remember";
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

/// The refusal of a call, as `_meta` has it.
async fn refusal(gateway: &Gateway, text: &str) -> anyhow::Result<Value> {
    let answer = gateway.agent.call(TOOL, json!({"text": text})).await?;
    let refusal = answer.json()["result"]["_meta"]["dev.postern/refusal"].clone();
    ensure!(refusal["reason"] == json!("no_grant"), "not refused: {}", answer.told());
    Ok(refusal)
}

async fn command() -> anyhow::Result<()> {
    let gateway = asking().await?;
    let refusal = refusal(&gateway, "notes").await?;
    let decision = refusal["decision"].as_str().context("no decision")?;
    let told = refusal["request"]["command"].as_str().context("no command")?;
    ensure!(told == format!("postern exception request --from-decision {decision}"), "command: {told}");
    let ask = ["exception", "request", "--from-decision", decision];
    let draft = gateway.ok(REQUESTER, &ask).await?;
    ensure!(draft["record"]["grant"]["args"] == json!({"text": {"in": ["notes"]}}), "draft: {draft}");
    let missing: Vec<&str> =
        draft["missing"].as_array().context("no list")?.iter().filter_map(|f| f["message"].as_str()).collect();
    ensure!(missing.iter().any(|message| message.contains("`rationale` is missing")), "missing: {missing:?}");
    let file = gateway.folder.path().join("draft.yaml").display().to_string();
    gateway.cli(REQUESTER, &[&ask[..], &["--output", "table", "--out", &file]].concat()).await?;
    let written = fs::read_to_string(&file)?;
    ensure!(written.starts_with("# Still to be filled in:\n#   "), "file: {written}");
    let all = [
        "--rationale",
        WHY,
        "--team",
        "docs",
        "--constraint",
        "No role yet.",
        "--objective",
        "Least privilege.",
        "--risk",
        "A wrong note.",
        "--residual-risk",
        "low",
        "--target-role",
        "rememberer",
        "--criteria",
        "No wrong note.",
        "--submit",
    ];
    let made = gateway.ok(REQUESTER, &[&ask[..], &all].concat()).await?;
    let id = made["id"].as_str().context("no id")?;
    ensure!(made["owner"] == json!(OWNER), "the agent's owner answers for it: {made}");
    for person in [APPROVER, SECURITY] {
        gateway.ok(person, &["exception", "approve", id]).await?;
    }
    let answer = gateway.agent.call(TOOL, json!({"text": "notes"})).await?;
    ensure!(answer.is_done(), "the call that was asked for: {}", answer.told());
    let other = gateway.agent.call(TOOL, json!({"text": "another"})).await?;
    ensure!(other.reason() == "scope_mismatch", "another call: {}", other.told());
    let shown = gateway.ok(REQUESTER, &["exception", "show", id]).await?;
    ensure!(shown["spec"]["decision"] == json!(decision), "the record names the refusal: {shown}");
    Ok(())
}

/// The access request of this refusal, with what people add.
fn completed(request: &Value) -> Value {
    let mut request = request.clone();
    request["context"]["business_justification"] = WHY.into();
    request["context"]["wish"] = json!({"team": "docs", "constraint": "No role yet.", "objective": "Least privilege.",
        "identified_risk": "A wrong note.", "residual_risk": "low", "target_role": "rememberer", "criteria": "No wrong note."});
    request
}

async fn authzen() -> anyhow::Result<()> {
    let gateway = asking().await?;
    let (_, metadata) = gateway.admin(REQUESTER, "GET", "/.well-known/authzen-configuration", &Value::Null).await?;
    ensure!(metadata["access_request_endpoint"].is_string(), "metadata: {metadata}");
    let question = json!({"subject": {"type": "agent", "id": "worker"}, "action": {"name": "tools/call"},
        "resource": {"type": "tool", "id": "rec/remember"}, "context": {"arguments": {"text": "notes"}}});
    let (status, denied) = gateway.admin(REQUESTER, "POST", "/access/v1/evaluation", &question).await?;
    ensure!(status == 200 && denied["decision"] == json!(false), "{status} {denied}");
    let mut request = question.clone();
    request["denial"] = json!({"evaluation_id": denied["context"]["evaluation_id"],
        "expires_at": denied["context"]["access_request"]["expires_at"]});
    let request = completed(&request);
    let (status, asked) = gateway.admin(REQUESTER, "POST", "/access/v1/requests", &request).await?;
    ensure!(status == 202 && asked["task"]["status"] == json!("pending"), "{status} {asked}");
    let (_, again) = gateway.admin(REQUESTER, "POST", "/access/v1/requests", &request).await?;
    ensure!(again["task"]["id"] == asked["task"]["id"], "the same request is another task: {again}");
    let id = asked["task"]["exception"].as_str().context("no exception")?;
    for person in [APPROVER, SECURITY] {
        gateway.ok(person, &["exception", "approve", id]).await?;
    }
    let place = format!("/access/v1/requests/{}", asked["task"]["id"].as_str().context("no id")?);
    let (_, done) = gateway.admin(REQUESTER, "GET", &place, &Value::Null).await?;
    ensure!(done["task"]["status"] == json!("approved") && done["result"]["mode"] == json!("reevaluate"), "{done}");
    let mut again = question;
    again["context"]["approval"] = done["result"]["approval"].clone();
    let (_, judged) = gateway.admin(REQUESTER, "POST", "/access/v1/evaluation", &again).await?;
    ensure!(judged["decision"] == json!(false), "only the gateway admits by exception: {judged}");
    ensure!(judged["context"]["reason"] == json!("enforced_by_gateway"), "{judged}");
    let answer = gateway.agent.call(TOOL, json!({"text": "notes"})).await?;
    ensure!(answer.is_done(), "the call itself: {}", answer.told());
    Ok(())
}

async fn foreign() -> anyhow::Result<()> {
    let gateway = asking().await?;
    let refusal = refusal(&gateway, "notes").await?;
    let request = completed(&refusal["request"]["access_request"]);
    let mut wider = request.clone();
    wider["context"]["arguments"]["text"] = "anything".into();
    let (status, problem) = gateway.admin(REQUESTER, "POST", "/access/v1/requests", &wider).await?;
    ensure!(status == 400, "{status} {problem}");
    let kind = problem["type"].as_str().unwrap_or_default();
    ensure!(kind == "urn:openid:authzen:access-request:error:invalid_denial_binding", "{problem}");
    let (status, _) = gateway.admin(OWNER, "POST", "/access/v1/requests", &request).await?;
    ensure!(status == 403, "without the duty `request`: {status}");
    let (status, asked) = gateway.admin(REQUESTER, "POST", "/access/v1/requests", &request).await?;
    ensure!(status == 202, "{status} {asked}");
    let place = format!("/access/v1/requests/{}", asked["task"]["id"].as_str().context("no id")?);
    let (status, _) = gateway.admin(REQUESTER, "GET", &place.replace("arq_", "arq_0"), &Value::Null).await?;
    ensure!(status == 404, "a guessed handle: {status}");
    let (status, cancelled) = gateway.admin(REQUESTER, "POST", &format!("{place}/cancel"), &json!({})).await?;
    ensure!(status == 200 && cancelled["task"]["status"] == json!("cancelled"), "{status} {cancelled}");
    let (status, problem) = gateway.admin(REQUESTER, "POST", &format!("{place}/cancel"), &json!({})).await?;
    ensure!(status == 409, "{status} {problem}");
    Ok(())
}
