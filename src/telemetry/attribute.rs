//! The attributes of the three spans.

use opentelemetry::{Array, KeyValue, StringValue, Value};

use super::{
    ending::Ending,
    facts::{Peer, SpanFacts},
};
use crate::domain::{DecisionId, Digest, Method, PersonId, Verdict, names};

/// What both the SERVER and the authorize span say of the decision.
pub(super) fn decision(verdict: &Verdict) -> Vec<KeyValue> {
    let mut list = vec![
        KeyValue::new(names::DECISION, verdict.word()),
        KeyValue::new(names::BASIS, verdict.basis.as_str()),
        KeyValue::new(names::REASON, verdict.reason.as_str()),
    ];
    if let Some(exception) = &verdict.exception {
        list.push(KeyValue::new(names::EXCEPTION, exception.as_str().to_owned()));
    }
    if let Some(pilot) = &verdict.pilot {
        list.push(KeyValue::new(names::PILOT, pilot.as_str().to_owned()));
    }
    if !verdict.controls.is_empty() {
        list.push(KeyValue::new(names::MONITORING_REQUIRED, texts(verdict.controls.iter().map(String::as_str))));
    }
    list
}

/// What only the authorize span says.
pub(super) fn authorize(decision_id: &DecisionId, verdict: &Verdict) -> Vec<KeyValue> {
    let mut list = decision(verdict);
    list.push(KeyValue::new(names::DECISION_ID, decision_id.as_str().to_owned()));
    list.push(KeyValue::new(names::POLICY_ID, texts(verdict.determining.iter().map(AsRef::as_ref))));
    list.push(KeyValue::new(names::POLICY_VERSION, verdict.policy_set.to_string()));
    list
}

/// What the SERVER span says of the request.
pub(super) fn server(facts: &SpanFacts) -> Vec<KeyValue> {
    let mut list = Vec::with_capacity(24);
    list.push(KeyValue::new(names::MCP_METHOD, facts.method));
    list.push(KeyValue::new(names::MCP_PROTOCOL, facts.protocol));
    list.push(KeyValue::new(names::TRANSPORT, "tcp"));
    list.push(KeyValue::new(names::CLIENT_ADDRESS, facts.peer.ip().to_string()));
    list.push(KeyValue::new(names::AGENT, facts.agent.as_str().to_owned()));
    list.push(KeyValue::new(names::REQUEST_ID, facts.request_id.clone()));
    if facts.method == CALL {
        list.push(KeyValue::new(names::OPERATION, "execute_tool"));
    }
    if let Some(tool) = &facts.tool {
        list.push(KeyValue::new(names::TOOL, tool.as_str().to_owned()));
    }
    if let Some(prompt) = &facts.prompt {
        list.push(KeyValue::new(names::PROMPT, prompt.clone()));
    }
    if let Some(server) = &facts.server {
        list.push(KeyValue::new(names::SERVER, server.as_str().to_owned()));
    }
    if let Some(session) = &facts.session {
        list.push(KeyValue::new(names::MCP_SESSION, session.as_str().to_owned()));
    }
    if let Some(person) = &facts.user {
        list.push(KeyValue::new(names::USER, pseudonym(person)));
    }
    list
}

/// What a CLIENT span says of the dispatch.
pub(super) fn client(peer: &Peer) -> Vec<KeyValue> {
    let mut list = vec![
        KeyValue::new(names::MCP_METHOD, peer.method.as_str()),
        KeyValue::new(names::SERVER, peer.server.as_str().to_owned()),
        KeyValue::new(names::TRANSPORT, peer.transport),
    ];
    if peer.method == Method::CallTool {
        list.push(KeyValue::new(names::OPERATION, "execute_tool"));
    }
    if let Some(name) = &peer.name {
        let key = if peer.method == Method::CallTool { names::TOOL } else { names::PROMPT };
        list.push(KeyValue::new(key, name.clone()));
    }
    if let Some(address) = &peer.address {
        list.push(KeyValue::new(names::SERVER_ADDRESS, address.clone()));
    }
    if let Some(port) = peer.port {
        list.push(KeyValue::new(names::SERVER_PORT, i64::from(port)));
    }
    list
}

/// What a span says of its end.
pub(super) fn ending(ending: Ending, is_server: bool) -> Vec<KeyValue> {
    let mut list = Vec::new();
    if let Some(error) = ending.error_type(is_server) {
        list.push(KeyValue::new(names::ERROR_TYPE, error));
    }
    if let Some(code) = ending.code() {
        list.push(KeyValue::new(names::STATUS_CODE, code.to_string()));
    }
    if let Ending::Answered { bytes, .. } = ending {
        list.push(KeyValue::new(names::RESULT_SIZE, i64::try_from(bytes).unwrap_or(i64::MAX)));
    }
    list
}

/// The method of a tool call.
pub(super) const CALL: &str = "tools/call";

pub(super) fn texts<'a>(items: impl Iterator<Item = &'a str>) -> Value {
    Value::Array(Array::String(items.map(|item| StringValue::from(item.to_owned())).collect()))
}

/// Joins the spans of one person without naming the person.
pub(super) fn pseudonym(person: &PersonId) -> String {
    let digest = Digest::of_parts(&[b"postern person\0", person.as_str().as_bytes()]);
    digest.as_bytes().iter().take(8).fold(String::from("usr_"), |text, byte| format!("{text}{byte:02x}"))
}
