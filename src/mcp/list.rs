//! Lists, and what a subscription tells of them.

use super::emit;

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum List {
    /// `tools/list`.
    Tools,
    /// `prompts/list`.
    Prompts,
    /// `resources/list`.
    Resources,
    /// `resources/templates/list`.
    Templates,
}

impl List {
    /// The list of this method.
    #[must_use]
    pub fn of(method: &str) -> Option<Self> {
        [Self::Tools, Self::Prompts, Self::Resources, Self::Templates].into_iter().find(|list| list.method() == method)
    }

    /// The method that asks for it.
    #[must_use]
    pub const fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Prompts => "prompts/list",
            Self::Resources => "resources/list",
            Self::Templates => "resources/templates/list",
        }
    }

    /// The member of the result that holds it.
    #[must_use]
    pub const fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }
}

/// What a subscription is to tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Changes of the list of tools.
    pub tools: bool,
    /// Changes of the list of prompts.
    pub prompts: bool,
    /// Changes of the list of resources.
    pub resources: bool,
    /// Updates of these resources.
    pub uris: Vec<String>,
    /// News of these tasks.
    pub tasks: Vec<String>,
}

impl Filter {
    /// Whether it asks for nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// `notifications` of a `subscriptions/listen`.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        let (uris, tasks) = (emit::json(&self.uris), emit::json(&self.tasks));
        let mut members: Vec<(&str, &[u8])> = Vec::with_capacity(5);
        let lists = [
            ("toolsListChanged", self.tools),
            ("promptsListChanged", self.prompts),
            ("resourcesListChanged", self.resources),
        ];
        members.extend(lists.iter().filter(|(_, wanted)| *wanted).map(|(key, _)| (*key, &b"true"[..])));
        if !self.uris.is_empty() {
            members.push(("resourceSubscriptions", &uris));
        }
        if !self.tasks.is_empty() {
            members.push(("taskIds", &tasks));
        }
        emit::object(&members).into()
    }
}
