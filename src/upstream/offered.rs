//! What a server offers, as it lists it, and what it tells of changes.

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use crate::mcp::{Era, List, TASKS, client::Server};

/// What a server offers: definitions in its order, as they were sent, without claims to speak as Postern.
#[derive(Debug, Default)]
pub struct Offered {
    /// The revision that it speaks.
    pub version: &'static str,
    /// `tools/list`.
    pub tools: Vec<Box<RawValue>>,
    /// `prompts/list`.
    pub prompts: Vec<Box<RawValue>>,
    /// `resources/list`.
    pub resources: Vec<Box<RawValue>>,
    /// `resources/templates/list`.
    pub templates: Vec<Box<RawValue>>,
    /// Whether it has prompts.
    pub has_prompts: bool,
    /// Whether it has resources.
    pub has_resources: bool,
    /// Whether it tells of updates of resources.
    pub subscribe: bool,
    /// Whether it completes arguments.
    pub completions: bool,
    /// Whether it sends log messages.
    pub logging: bool,
    /// The extensions that it declares: identifier, and settings as JSON.
    pub extensions: Vec<(Box<str>, Box<RawValue>)>,
}

impl Offered {
    /// What a server says of itself, with no list read yet.
    pub(super) fn by(version: &'static str, era: Era, server: &Server) -> Self {
        // Tasks of the legacy era are another thing.
        let kept = |(name, _): &&(Box<str>, _)| era == Era::Modern || **name != *TASKS;
        Self {
            version,
            has_prompts: server.prompts.is_some(),
            has_resources: server.resources.is_some(),
            subscribe: server.subscribe,
            completions: server.completions,
            logging: server.logging,
            extensions: server.extensions.iter().filter(kept).cloned().collect(),
            ..Self::default()
        }
    }

    /// The definitions of one list.
    pub(super) const fn list(&self, list: List) -> &Vec<Box<RawValue>> {
        match list {
            List::Tools => &self.tools,
            List::Prompts => &self.prompts,
            List::Resources => &self.resources,
            List::Templates => &self.templates,
        }
    }

    /// Whether both offer the same, byte for byte.
    pub(super) fn same(&self, other: &Self) -> bool {
        let flags =
            |one: &Self| (one.version, one.has_prompts, one.has_resources, one.subscribe, one.completions, one.logging);
        let lists = [List::Tools, List::Prompts, List::Resources, List::Templates];
        let texts = |all: &[(Box<str>, Box<RawValue>)]| -> Vec<(Box<str>, Box<str>)> {
            all.iter().map(|(name, settings)| (name.clone(), settings.get().into())).collect()
        };
        flags(self) == flags(other)
            && texts(&self.extensions) == texts(&other.extensions)
            && lists.iter().all(|list| {
                let (mine, theirs) = (self.list(*list), other.list(*list));
                mine.len() == theirs.len() && mine.iter().zip(theirs).all(|(a, b)| a.get() == b.get())
            })
    }
}

/// A watch over one resource or task; dropping it ends it.
#[derive(Debug)]
pub struct Watch {
    /// The params of each notification, a JSON object without `_meta`. It ends when the server no longer tells.
    pub news: mpsc::Receiver<Bytes>,
}
