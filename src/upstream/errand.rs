//! What was allowed to be sent to one server: a tool call or an inquiry, owned until it is done.

use serde_json::value::RawValue;

use super::Dispatch;
use crate::{
    catalog::{Inquiry, ToolCall},
    domain::{Digest, Method, ServerName},
    mcp::{
        Era,
        client::{Along, Carried},
    },
};

/// A request that was allowed.
pub(super) enum Errand {
    Call(ToolCall),
    Inquiry(Inquiry),
}

impl Errand {
    pub(super) fn server(&self) -> &ServerName {
        match self {
            Self::Call(call) => &call.tool().reference.server,
            Self::Inquiry(inquiry) => inquiry.server(),
        }
    }

    pub(super) const fn method(&self) -> Method {
        match self {
            Self::Call(_) => Method::CallTool,
            Self::Inquiry(inquiry) => inquiry.method(),
        }
    }

    /// The value of [`Method::target`], as the server knows it.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Call(call) => call.tool().reference.tool.as_str(),
            Self::Inquiry(inquiry) => inquiry.name(),
        }
    }

    /// Whether a server of this era knows such a request.
    pub(super) const fn known_to(&self, era: Era) -> bool {
        let task = matches!(self.method(), Method::GetTask | Method::UpdateTask | Method::CancelTask);
        !task || matches!(era, Era::Modern)
    }

    /// SHA-256 over what is sent beside method and name.
    pub(super) const fn digest(&self) -> Digest {
        match self {
            Self::Call(call) => call.digest(),
            Self::Inquiry(inquiry) => inquiry.digest(),
        }
    }

    /// The request under a number of ours.
    pub(super) fn carried<'a>(&'a self, id: u64, dispatch: &'a Dispatch) -> Carried<'a> {
        let (arguments, members): (Option<&RawValue>, _) = match self {
            Self::Call(call) => (Some(call.arguments()), call.passthrough()),
            Self::Inquiry(inquiry) => (None, inquiry.members()),
        };
        let along = Along {
            capabilities: Some(&dispatch.capabilities),
            traceparent: dispatch.traceparent.as_deref(),
            progress: dispatch.progress,
            log_level: dispatch.log_level,
        };
        let (method, name, input) = (self.method(), self.name(), dispatch.input.as_ref());
        Carried { id, method, name, arguments, members, input, along }
    }
}
