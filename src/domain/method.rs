//! The requests of MCP that a gateway carries to a tool server.

/// A request that is carried to one tool server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// `tools/call`.
    CallTool,
    /// `prompts/get`.
    GetPrompt,
    /// `resources/read`.
    ReadResource,
    /// `completion/complete`.
    Complete,
    /// `resources/subscribe` (legacy), `subscriptions/listen` for a resource (modern).
    Subscribe,
    /// `tasks/get`.
    GetTask,
    /// `tasks/update`.
    UpdateTask,
    /// `tasks/cancel`.
    CancelTask,
}

impl Method {
    /// The method as messages name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CallTool => "tools/call",
            Self::GetPrompt => "prompts/get",
            Self::ReadResource => "resources/read",
            Self::Complete => "completion/complete",
            Self::Subscribe => "resources/subscribe",
            Self::GetTask => "tasks/get",
            Self::UpdateTask => "tasks/update",
            Self::CancelTask => "tasks/cancel",
        }
    }

    /// The method of this name; `resources/subscribe` is none of a single request and is not found here.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        use Method::{CallTool, CancelTask, Complete, GetPrompt, GetTask, ReadResource, UpdateTask};
        let all = [CallTool, GetPrompt, ReadResource, Complete, GetTask, UpdateTask, CancelTask];
        all.into_iter().find(|method| method.as_str() == name)
    }

    /// The member of `params` that names what the request is for; the header `Mcp-Name` repeats it.
    #[must_use]
    pub const fn target(self) -> Option<&'static str> {
        match self {
            Self::CallTool | Self::GetPrompt => Some("name"),
            Self::ReadResource | Self::Subscribe => Some("uri"),
            Self::GetTask | Self::UpdateTask | Self::CancelTask => Some("taskId"),
            Self::Complete => None,
        }
    }

    /// Whether a server may ask for input before it answers (2026-07-28, basic/patterns/mrtr).
    #[must_use]
    pub const fn takes_input(self) -> bool {
        matches!(self, Self::CallTool | Self::GetPrompt | Self::ReadResource)
    }
}
