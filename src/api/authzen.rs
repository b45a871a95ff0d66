//! AuthZEN on the wire: Authorization API 1.0 (evaluation) and the Access Request and Approval Profile, draft 1
//! (requestable denial, access request, task, re-evaluation). Members that we do not read are ignored, as both say.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    domain::{DecisionId, Timestamp},
    exception::Wish,
};

/// The only action: a tool is called.
pub const CALL: &str = "tools/call";
/// What the metadata says that we can.
pub const CAPABILITY: &str = "urn:openid:authzen:capability:access-request";
/// Problem types of the profile, without their common beginning.
pub const PROBLEM: &str = "urn:openid:authzen:access-request:error:";
/// The schema of what people add to a request.
pub const REQUEST_SCHEMA: &str = include_str!("request.schema.json");

/// Something with a type and an id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thing {
    /// `agent` for subjects, `tool` for resources.
    #[serde(rename = "type")]
    pub kind: String,
    /// An agent of agents.yaml, or `server/tool`.
    pub id: String,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// [`CALL`].
    pub name: String,
}

/// What a decision depends on beside subject, action and resource.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Context {
    /// The arguments of the call; absent means none.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub arguments: Map<String, Value>,
    /// The person for whom the agent acts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
    /// The approval of an access request, at re-evaluation.
    #[serde(skip_serializing)]
    pub approval: Option<Reference>,
    /// What people add to an access request.
    #[serde(skip_serializing)]
    pub wish: Option<Wish>,
    /// Why it is needed; the same as `wish.rationale`.
    #[serde(skip_serializing)]
    pub business_justification: Option<String>,
}

/// `POST /access/v1/evaluation`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Evaluation {
    /// Who.
    pub subject: Thing,
    /// Does what.
    pub action: Action,
    /// To what.
    pub resource: Thing,
    /// How.
    #[serde(default)]
    pub context: Context,
}

/// The answer: a refusal is an answer, not an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// Whether a role allows it.
    pub decision: bool,
    /// Why, and how to ask.
    pub context: Value,
}

/// `POST /access/v1/requests`: `action` and `resource`, or `items`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AccessRequest {
    /// Whose calls were refused.
    pub subject: Thing,
    /// What was refused.
    pub action: Option<Action>,
    /// On what.
    pub resource: Option<Thing>,
    /// Several refusals in one request; each becomes an exception of its own.
    pub items: Option<Vec<Item>>,
    /// As it was evaluated, and what people add.
    #[serde(default)]
    pub context: Context,
    /// What binds the request to the refusal.
    pub denial: Option<Binding>,
    /// What is asked for.
    #[serde(default)]
    pub requested_access: Requested,
}

/// One of several refusals that are asked about at once.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Item {
    /// On what.
    pub resource: Thing,
    /// What was refused.
    pub action: Action,
    /// As this one was evaluated, where it differs from the request's; an addition to the profile, since calls of
    /// different tools have different arguments.
    pub context: Option<Context>,
    /// What is asked for, where it differs from the request's.
    pub requested_access: Option<Requested>,
    /// What binds this item to its refusal.
    pub denial: Option<Binding>,
}

/// Which refusal an access request is about.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Binding {
    /// The decision.
    pub evaluation_id: DecisionId,
    /// Until when it can be asked for.
    pub expires_at: Timestamp,
}

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Requested {
    /// Until when.
    pub requested_until: Option<Timestamp>,
    /// A break-glass exception.
    pub emergency: Option<bool>,
}

/// An approval as an enforcement point carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Unguessable.
    pub id: String,
    /// When it was complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_at: Option<Timestamp>,
    /// When the exception ends.
    pub approved_until: Timestamp,
}

/// `{task, result}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskAnswer {
    /// How far it is.
    pub task: Task,
    /// Only when it is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Completion>,
}

/// The handle of an access request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Unguessable.
    pub id: String,
    /// pending, approved, denied, expired or cancelled; partial where several items ended differently.
    pub status: String,
    /// Where to ask again.
    pub status_endpoint: String,
    /// When nobody can decide any more, or the exception ends.
    pub expires_at: Timestamp,
    /// Where it is looked at and cancelled.
    pub links: Value,
    /// The exception that it became; with several items, that of the first.
    pub exception: String,
    /// The items of a request with several, in its order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<TaskItem>>,
}

/// One item of a request with several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskItem {
    /// On what.
    pub resource: Thing,
    /// What is asked for.
    pub action: Action,
    /// As [`Task::status`], of this item.
    pub status: String,
    /// Only when it is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Completion>,
    /// The exception that it became.
    pub exception: String,
}

/// How an approved request is used: ask again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// `reevaluate`.
    pub mode: String,
    /// What to carry along.
    pub approval: Reference,
}
