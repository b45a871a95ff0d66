//! What a server offers, as it lists it, and what it tells of changes.

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

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

/// A watch over one resource or task; dropping it ends it.
#[derive(Debug)]
pub struct Watch {
    /// The params of each notification, a JSON object without `_meta`. It ends when the server no longer tells.
    pub news: mpsc::Receiver<Bytes>,
}
