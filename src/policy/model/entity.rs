//! The entities of the Cedar model, made as data and never by formatting text.
//!
//! `Agent` and `User` in `Role`; `Tool`, `Prompt` and `Resource` in `Server`; `Action::"server/tool"` in
//! `Action::"call"`, `Action::"request"` for what may be asked for, and one action for each [`Verb`].

use cedar_policy::{EntityId, EntityTypeName, EntityUid, ParseErrors};
use serde_json::{Map, Value, json};

use super::input::Input;
use crate::domain::{RoleName, ServerName, Subject, ToolRef};

/// What may be done beside calling a tool. Servers have names without `/`, so no verb is a tool's action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Get a prompt, and complete its arguments.
    Get,
    /// Read a resource, watch it, and complete a template's arguments.
    Read,
    /// Be asked by a server for something that a person knows.
    Elicit,
    /// Be sent by a server to a page of the web.
    ElicitUrl,
    /// Be asked by a server for what a model says.
    Sample,
    /// Be asked by a server for the folders that it may work in.
    Roots,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 6] = [Self::Get, Self::Read, Self::Elicit, Self::ElicitUrl, Self::Sample, Self::Roots];

    /// The id of the action.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Read => "read",
            Self::Elicit => "elicit",
            Self::ElicitUrl => "elicit_url",
            Self::Sample => "sample",
            Self::Roots => "roots",
        }
    }

    /// The type of what it is done to.
    pub const fn resource(self) -> &'static str {
        match self {
            Self::Get => "Prompt",
            Self::Read => "Resource",
            Self::Elicit | Self::ElicitUrl | Self::Sample | Self::Roots => "Server",
        }
    }
}

/// The types of the model, and the two actions that are no tool's.
#[derive(Debug, Clone)]
pub struct Names {
    agent: EntityTypeName,
    user: EntityTypeName,
    role: EntityTypeName,
    server: EntityTypeName,
    tool: EntityTypeName,
    prompt: EntityTypeName,
    resource: EntityTypeName,
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
            prompt: "Prompt".parse()?,
            resource: "Resource".parse()?,
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

    /// `Prompt::"server/name"`.
    pub fn prompt(&self, server: &ServerName, prompt: &str) -> EntityUid {
        uid(&self.prompt, &format!("{server}/{prompt}"))
    }

    /// `Resource::"server/uri"`.
    pub fn resource(&self, server: &ServerName, resource: &str) -> EntityUid {
        uid(&self.resource, &format!("{server}/{resource}"))
    }

    /// The action of a verb.
    pub fn verb(&self, verb: Verb) -> EntityUid {
        uid(&self.action, verb.as_str())
    }

    /// Whether this is the action of a verb.
    pub fn is_verb(&self, uid: &EntityUid) -> bool {
        *uid.type_name() == self.action && Verb::ALL.iter().any(|verb| verb.as_str() == uid.id().unescaped())
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
    let applies = |resource: &str, context: Value| {
        json!({
            "principalTypes": ["Agent", "User"],
            "resourceTypes": [resource],
            "context": {"type": "Record", "attributes": context},
        })
    };
    let now = json!({"type": "Extension", "name": "datetime"});
    let user = json!({"type": "Entity", "name": "User", "required": false});
    let taints = json!({"type": "Set", "element": {"type": "String"}});
    let mut actions = Map::new();
    actions.insert("call".to_owned(), json!({}));
    actions.insert(
        "request".to_owned(),
        json!({"appliesTo": applies("Tool", json!({"now": now, "user": user, "taints": taints}))}),
    );
    let text = json!({"type": "String"});
    for verb in Verb::ALL {
        let input = match verb {
            Verb::Read => json!({"uri": text, "scheme": text, "path": text}),
            Verb::ElicitUrl => json!({"url": text, "host": text}),
            Verb::Get | Verb::Elicit | Verb::Sample | Verb::Roots => json!({}),
        };
        let input = json!({"type": "Record", "attributes": input});
        let context = json!({"now": now, "user": user, "taints": taints, "input": input});
        actions.insert(verb.as_str().to_owned(), json!({"appliesTo": applies(verb.resource(), context)}));
    }
    for (tool, input) in tools {
        let context = json!({"now": now, "user": user, "taints": taints, "input": input.record()});
        actions.insert(tool.to_string(), json!({"memberOf": [{"id": "call"}], "appliesTo": applies("Tool", context)}));
    }
    json!({
        "": {
            "entityTypes": {
                "Agent": {"memberOfTypes": ["Role"]},
                "User": {"memberOfTypes": ["Role"]},
                "Role": {},
                "Server": {},
                "Tool": {"memberOfTypes": ["Server"]},
                "Prompt": {"memberOfTypes": ["Server"]},
                "Resource": {"memberOfTypes": ["Server"]},
            },
            "actions": actions,
        }
    })
}
