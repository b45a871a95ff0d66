//! What subscriptions tell, as messages.

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::mcp::{Filter, List, emit, members};

use super::Event;

/// An event as a message, tagged with the subscription of a modern client; none if it was not granted.
pub(super) fn message(event: &Event, granted: &Filter, subscription: Option<&RawValue>) -> Option<Bytes> {
    let tag = subscription.map(tag);
    match event {
        Event::Changed(list) => {
            let (wanted, method) = match list {
                List::Tools => (granted.tools, "notifications/tools/list_changed"),
                List::Prompts => (granted.prompts, "notifications/prompts/list_changed"),
                List::Resources | List::Templates => (granted.resources, "notifications/resources/list_changed"),
            };
            wanted.then(|| tagged(method, &[], tag.as_deref()))
        }
        Event::Updated(params) if !granted.uris.is_empty() => {
            told("notifications/resources/updated", params, tag.as_deref())
        }
        Event::Task(params) if !granted.tasks.is_empty() => told("notifications/tasks", params, tag.as_deref()),
        Event::Updated(_) | Event::Task(_) => None,
    }
}

/// `_meta` that names a subscription.
pub(super) fn tag(id: &RawValue) -> Vec<u8> {
    emit::object(&[("io.modelcontextprotocol/subscriptionId", id.get().as_bytes())]).into()
}

/// What was granted, as the acknowledgement says it.
pub(super) fn granted(filter: &Filter) -> Bytes {
    let (uris, tasks) = (emit::json(&filter.uris), emit::json(&filter.tasks));
    let mut all: Vec<(&str, &[u8])> = Vec::with_capacity(5);
    let lists = [
        (filter.tools, "toolsListChanged"),
        (filter.prompts, "promptsListChanged"),
        (filter.resources, "resourcesListChanged"),
    ];
    all.extend(lists.into_iter().filter(|(wanted, _)| *wanted).map(|(_, name)| (name, b"true".as_slice())));
    if !filter.uris.is_empty() {
        all.push(("resourceSubscriptions", &uris));
    }
    if !filter.tasks.is_empty() {
        all.push(("taskIds", &tasks));
    }
    emit::object(&all)
}

/// Of what was granted, what was wished for: a client is told of nothing else.
pub(super) fn within(granted: Filter, wished: &Filter) -> Filter {
    Filter {
        tools: granted.tools && wished.tools,
        prompts: granted.prompts && wished.prompts,
        resources: granted.resources && wished.resources,
        uris: granted.uris.into_iter().filter(|uri| wished.uris.contains(uri)).collect(),
        tasks: granted.tasks.into_iter().filter(|task| wished.tasks.contains(task)).collect(),
    }
}

fn told(method: &str, params: &[u8], tag: Option<&[u8]>) -> Option<Bytes> {
    let read = members(std::str::from_utf8(params).ok()?).ok()?;
    let pieces: Vec<_> = read
        .iter()
        .filter(|(key, _)| key != "_meta")
        .map(|(key, value)| (key.as_ref(), value.get().as_bytes()))
        .collect();
    Some(tagged(method, &pieces, tag))
}

fn tagged(method: &str, params: emit::Pieces<'_>, tag: Option<&[u8]>) -> Bytes {
    let mut all: Vec<(&str, &[u8])> = Vec::with_capacity(params.len() + 1);
    all.extend(tag.map(|tag| ("_meta", tag)));
    all.extend_from_slice(params);
    emit::notification(method, &all)
}
