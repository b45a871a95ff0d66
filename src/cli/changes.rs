//! What changed around an exception, as its owner reads it before attesting.

use super::{
    render::time,
    table::{facts, printable},
};
use crate::api::ChangesView;

pub(super) fn changes(view: &ChangesView) -> String {
    let mut out = facts(&[
        ("exception", view.exception.to_string()),
        ("since", format!("{} ({} by {})", time(view.since), view.event, view.by)),
        ("calls", view.calls.to_string()),
        ("denials", view.denials.to_string()),
    ]);
    let gone = || vec!["not known: those of then are gone".to_owned()];
    let tools = view.tools.iter().filter(|tool| tool.changed).map(|tool| match &tool.now {
        Some(now) => format!("{} is now {now}, approved was {}", tool.tool, tool.approved),
        None => format!("{} is not offered any more", tool.tool),
    });
    let policies = view.policies.as_ref();
    let policies =
        policies.map_or_else(gone, |files| files.iter().map(|(path, how)| format!("{path} {how}")).collect());
    let parts: [(&str, Vec<String>); 5] = [
        ("definitions", tools.collect()),
        ("policies", policies),
        ("registry", view.registry.clone().unwrap_or_else(gone)),
        ("alarms", view.alarms.clone()),
        ("events", view.events.clone()),
    ];
    for (name, lines) in parts {
        if lines.is_empty() {
            out.push_str(&format!("{name}: nothing changed\n"));
        }
        for line in lines {
            out.push_str(&printable(&format!("{name}: {line}")));
            out.push('\n');
        }
    }
    out
}
