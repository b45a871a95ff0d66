//! The entities of the Cedar model, made as data and never by formatting text.
//!
//! `Agent` and `User` in `Role`, `Tool` in `Server`, `Action::"server/tool"` in `Action::"call"`, and
//! `Action::"request"` for what may be asked for.

use cedar_policy::{EntityId, EntityTypeName, EntityUid, ParseErrors};
use serde_json::{Map, Value, json};

use super::input::Input;
use crate::domain::{RoleName, ServerName, Subject, ToolRef};

/// The types of the model, and the two actions that are no tool's.
#[derive(Debug, Clone)]
pub struct Names {
    agent: EntityTypeName,
    user: EntityTypeName,
    role: EntityTypeName,
    server: EntityTypeName,
    tool: EntityTypeName,
    action: EntityTypeName,
    /// `Action::"call"`, the group of all tools' actions.
    pub call: EntityUid,
    /// `Action::"request"`.
    pub request: EntityUid,
}

impl Names {
    /// The names.
    #[expect(clippy::result_large_err, reason = "made once at a compilation; the error is Cedar's")]
    pub fn new() -> Result<Self, ParseErrors> {
        let action: EntityTypeName = "Action".parse()?;
        Ok(Self {
            agent: "Agent".parse()?,
            user: "User".parse()?,
            role: "Role".parse()?,
            server: "Server".parse()?,
            tool: "Tool".parse()?,
            call: uid(&action, "call"),
            request: uid(&action, "request"),
            action,
        })
    }

    /// `Agent::"…"`.
    pub fn agent(&self, id: &str) -> EntityUid {
        uid(&self.agent, id)
    }

    /// `User::"…"`.
    pub fn user(&self, id: &str) -> EntityUid {
        uid(&self.user, id)
    }

    /// `Role::"…"`.
    pub fn role(&self, role: &RoleName) -> EntityUid {
        uid(&self.role, role.as_str())
    }

    /// `Server::"…"`.
    pub fn server(&self, server: &ServerName) -> EntityUid {
        uid(&self.server, server.as_str())
    }

    /// `Tool::"server/tool"`.
    pub fn tool(&self, tool: &ToolRef) -> EntityUid {
        uid(&self.tool, &tool.to_string())
    }

    /// `Action::"server/tool"`.
    pub fn action(&self, tool: &ToolRef) -> EntityUid {
        uid(&self.action, &tool.to_string())
    }

    /// The user that the subject acts for.
    pub fn delegator(&self, subject: &Subject) -> Option<EntityUid> {
        subject.on_behalf_of.as_ref().map(|delegator| self.user(delegator.person.as_str()))
    }

    /// Whether this names a role, and which.
    pub fn as_role<'a>(&self, uid: &'a EntityUid) -> Option<&'a str> {
        (*uid.type_name() == self.role).then(|| uid.id().unescaped())
    }

    /// Whether this names a server, and which.
    pub fn as_server(&self, uid: &EntityUid) -> Option<ServerName> {
        uid.id().unescaped().parse().ok().filter(|_| *uid.type_name() == self.server)
    }

    /// Whether this names the action of a tool, or a tool, and which.
    pub fn as_tool(&self, uid: &EntityUid) -> Option<ToolRef> {
        let kind = uid.type_name();
        let (server, tool) =
            uid.id().unescaped().split_once('/').filter(|_| *kind == self.action || *kind == self.tool)?;
        Some(ToolRef { server: server.parse().ok()?, tool: tool.parse().ok()? })
    }
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

/// The Cedar schema (JSON form) of these tools.
pub fn schema<'a>(tools: impl Iterator<Item = (&'a ToolRef, &'a Input)>) -> Value {
    let applies = |context: Value| {
        json!({
            "principalTypes": ["Agent", "User"],
            "resourceTypes": ["Tool"],
            "context": {"type": "Record", "attributes": context},
        })
    };
    let now = json!({"type": "Extension", "name": "datetime"});
    let user = json!({"type": "Entity", "name": "User", "required": false});
    let mut actions = Map::new();
    actions.insert("call".to_owned(), json!({}));
    actions.insert("request".to_owned(), json!({"appliesTo": applies(json!({"now": now, "user": user}))}));
    for (tool, input) in tools {
        let context = json!({"now": now, "user": user, "input": input.record()});
        actions.insert(tool.to_string(), json!({"memberOf": [{"id": "call"}], "appliesTo": applies(context)}));
    }
    json!({
        "": {
            "entityTypes": {
                "Agent": {"memberOfTypes": ["Role"]},
                "User": {"memberOfTypes": ["Role"]},
                "Role": {},
                "Server": {},
                "Tool": {"memberOfTypes": ["Server"]},
            },
            "actions": actions,
        }
    })
}
