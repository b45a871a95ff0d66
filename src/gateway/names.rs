//! Names of prompts, resources and tasks, as a scope knows them.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use super::{Gateway, Purpose, rename, visit::Visit};
use crate::{
    catalog::{Inquiry, Target, Uri, resolve_prompt, resolve_uri},
    domain::{Method, ServerName, Subject, ToolRef},
    mcp::{
        InputRequired,
        server::{Request, RpcError, Scope},
    },
};

/// A task of a tool server.
#[derive(Serialize, Deserialize)]
pub(super) struct Task {
    pub(super) tool: ToolRef,
    pub(super) id: String,
}

impl Gateway {
    /// The server and the own name of a prompt.
    pub(super) fn prompt(&self, scope: &Scope, name: &str) -> Option<(ServerName, String)> {
        match scope {
            Scope::Server(server) => Some((server.clone(), name.to_owned())),
            Scope::All => {
                resolve_prompt(name).map(|(server, own)| (server, own.to_owned())).filter(|found| self.has(&found.0))
            }
        }
    }

    /// The server and the own URI of a resource.
    pub(super) fn resource(&self, scope: &Scope, uri: &str) -> Option<(ServerName, String)> {
        match scope {
            Scope::Server(server) => Some((server.clone(), uri.to_owned())),
            Scope::All => resolve_uri(uri).filter(|found| self.has(&found.0)),
        }
    }

    fn has(&self, server: &ServerName) -> bool {
        self.parts.servers.contains(server)
    }

    /// A completion: its reference leads to a prompt or to a resource template.
    pub(super) fn completion(
        &self,
        scope: &Scope,
        mut members: Vec<(Box<str>, Box<RawValue>)>,
    ) -> Result<Inquiry, RpcError> {
        let bad = || RpcError::invalid_params("`params.ref` names nothing that can be completed here");
        let given = members.iter_mut().find(|(key, _)| **key == *"ref").ok_or_else(bad)?;
        let mut reference: Value = serde_json::from_str(given.1.get()).map_err(|_| bad())?;
        let text = |reference: &Value, key: &str| reference.get(key).and_then(Value::as_str).map(str::to_owned);
        let (server, target) = match text(&reference, "type").as_deref() {
            Some("ref/prompt") => {
                let name = text(&reference, "name").ok_or_else(bad)?;
                let (server, own) = self.prompt(scope, &name).ok_or_else(bad)?;
                set(&mut reference, "name", &own);
                (server, Target::Prompt(own.into()))
            }
            Some("ref/resource") => {
                let uri = text(&reference, "uri").ok_or_else(bad)?;
                let (server, own) = self.resource(scope, &uri).ok_or_else(bad)?;
                // What stands before the first expression is judged: the rest is what is asked for.
                let plain = own.split('{').next().unwrap_or_default();
                let target = Uri::parse(plain).map_err(|_| bad())?;
                set(&mut reference, "uri", &own);
                (server, Target::Resource(target))
            }
            _ => return Err(bad()),
        };
        if matches!(scope, Scope::All) {
            given.1 = serde_json::value::to_raw_value(&reference).map_err(|_| bad())?;
        }
        Ok(Inquiry::completion(server, target, members))
    }

    /// The id under which this caller, and nobody else, knows a task.
    pub(super) fn handle(&self, visit: &Visit, tool: &ToolRef, own: &str) -> Option<String> {
        let task = serde_json::to_vec(&Task { tool: tool.clone(), id: own.to_owned() }).ok()?;
        self.seals().seal(Purpose::Task, &visit.subject, &[], &task)
    }

    /// The task behind an id.
    pub(super) fn opened(&self, subject: &Subject, scope: &Scope, handle: &str) -> Option<Task> {
        let text = self.seals().open(Purpose::Task, subject, &[], handle)?;
        let task: Task = serde_json::from_slice(&text).ok()?;
        match scope {
            Scope::Server(server) if *server != task.tool.server => None,
            Scope::Server(_) | Scope::All => Some(task),
        }
    }

    /// What a server says of a task, under the id that the caller knows; what it asks for within is judged.
    pub(super) fn task_result(
        &self,
        visit: &Visit,
        server: &ServerName,
        request: &Request,
        result: Bytes,
    ) -> Result<Bytes, RpcError> {
        if !matches!(request.method, Method::GetTask | Method::UpdateTask | Method::CancelTask) {
            return Ok(result);
        }
        let text = std::str::from_utf8(&result).map_err(|_| RpcError::internal())?;
        if text.contains("inputRequests") {
            let required = InputRequired::read(text).map_err(|_| RpcError::internal())?;
            for one in &required.requests {
                self.question(visit, server, one).map_err(|why| {
                    tracing::warn!(%server, why, "a question of a task is refused");
                    RpcError::new(crate::mcp::code::INTERNAL, format!("The task asks what it may not: {why}."))
                })?;
            }
        }
        let all = matches!(request.scope, Scope::All).then_some(server);
        let handle = request.target.clone();
        rename::task(&result, all, |_| Some(handle.clone())).ok_or_else(RpcError::internal)
    }
}

fn set(reference: &mut Value, key: &str, text: &str) {
    if let Value::Object(members) = reference {
        members.insert(key.to_owned(), text.into());
    }
}
