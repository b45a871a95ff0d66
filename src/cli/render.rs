//! Answers of the API as tables for people.

use serde_json::Value;

use super::table::{facts, printable, table};
use crate::{
    api::{
        CatalogView, ControlEvent, ControlView, ExceptionView, Explanation, HappeningView, KeyView, MadeKey,
        ReloadView, WhoView,
    },
    domain::{Digest, Timestamp},
};

pub(super) fn time(at: Timestamp) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn short(digest: &Digest) -> String {
    digest.to_string().chars().take("sha256:".len() + 12).collect()
}

pub(super) fn word<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

pub(super) fn who(view: &WhoView) -> String {
    match view {
        WhoView::Person { person, duties, credential, expires } => facts(&[
            ("person", person.to_string()),
            ("duties", duties.iter().map(word).collect::<Vec<_>>().join(", ")),
            ("credential", credential.to_string()),
            ("expires", time(*expires)),
        ]),
        WhoView::Agent { agent, roles, credential, expires } => facts(&[
            ("agent", agent.to_string()),
            ("roles", roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
            ("credential", credential.to_string()),
            ("expires", time(*expires)),
        ]),
    }
}

pub(super) fn made_key(view: &MadeKey) -> String {
    let mut out = facts(&[("id", view.id.to_string()), ("key", view.key.clone()), ("expires", time(view.expires))]);
    out.push_str("the key is shown only this once; keep it in a file of mode 0600\n");
    out
}

pub(super) fn keys(views: &[KeyView]) -> String {
    let rows: Vec<_> = views
        .iter()
        .map(|view| {
            let state = view.revoked.map_or_else(|| "live".to_owned(), |at| format!("revoked {}", time(at)));
            [
                view.id.to_string(),
                view.kind.clone(),
                view.principal.clone(),
                time(view.expires),
                state,
                from(view),
                view.note.clone(),
            ]
        })
        .collect();
    table(["id", "for", "principal", "expires", "state", "from", "note"], &rows)
}

fn from(view: &KeyView) -> String {
    if view.networks.is_empty() {
        return "anywhere".to_owned();
    }
    view.networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

pub(super) fn catalog(view: &CatalogView) -> String {
    let servers: Vec<_> = view
        .servers
        .iter()
        .map(|server| {
            [
                server.name.clone(),
                server.transport.clone(),
                server.health.clone(),
                server.detail.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let tools: Vec<_> = view
        .tools
        .iter()
        .map(|tool| {
            let digest = tool.digest.as_ref().map(short).unwrap_or_default();
            let detail = match (&tool.detail, &tool.approved) {
                (Some(detail), _) => detail.clone(),
                (None, Some(approved)) if tool.pin == "drifted" => format!("approved was {}", short(approved)),
                (None, _) => String::new(),
            };
            [
                format!("{}/{}", tool.server, tool.tool),
                tool.exposed.clone().unwrap_or_default(),
                tool.pin.clone(),
                digest,
                detail,
            ]
        })
        .collect();
    let waiting = view.tools.iter().filter(|tool| matches!(tool.pin.as_str(), "new" | "drifted")).count();
    let mut out = table(["server", "transport", "health", "detail"], &servers);
    out.push('\n');
    out.push_str(&table(["tool", "agents see", "pin", "digest", "detail"], &tools));
    if waiting > 0 {
        out.push_str(&format!("\n{waiting} wait for `postern catalog approve SERVER [TOOL…]`\n"));
    }
    out
}

pub(super) fn approved_tools(view: &Value) -> String {
    let text = |tool: &Value, key: &str| tool.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let tools = view.get("approved").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if tools.is_empty() {
        return "nothing waited for approval\n".to_owned();
    }
    tools
        .iter()
        .map(|tool| {
            printable(&format!("approved {}/{} {}", text(tool, "server"), text(tool, "tool"), text(tool, "digest")))
                + "\n"
        })
        .collect()
}

fn state(view: &ExceptionView) -> String {
    view.reason.as_ref().map_or_else(|| view.state.clone(), |reason| format!("{} ({reason})", view.state))
}

fn joined<T: ToString>(list: &[T]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

pub(super) fn exceptions(views: &[ExceptionView]) -> String {
    let rows: Vec<_> = views
        .iter()
        .map(|view| {
            let used = format!("{}/{}", view.used, view.calls);
            let tools = format!("{}: {}", view.server, view.tools.join(", "));
            [
                view.id.to_string(),
                word(&view.kind),
                state(view),
                view.owner.to_string(),
                joined(&view.agents),
                tools,
                time(view.not_after),
                used,
                due(view),
            ]
        })
        .collect();
    table(["exception", "kind", "state", "owner", "agents", "tools", "ends", "used", "due"], &rows)
}

/// The deadline that comes near, or where the review stands.
fn due(view: &ExceptionView) -> String {
    match (&view.due, &view.post_review) {
        (Some(due), _) => format!("{} {}", due.what, time(due.at)),
        (None, Some(_)) if !matches!(view.state.as_str(), "active" | "scheduled") => format!("review {}", review(view)),
        (None, _) => String::new(),
    }
}

fn review(view: &ExceptionView) -> String {
    let Some(review) = &view.post_review else { return String::new() };
    match (review.due, &review.by, review.at) {
        (Some(due), _, _) => format!("{} {}", review.state, time(due)),
        (None, Some(by), Some(at)) => format!("{} by {by} at {}", review.state, time(at)),
        (None, _, _) => review.state.clone(),
    }
}

fn milestones(view: &ExceptionView) -> String {
    let line = |step: &crate::api::MilestoneView| {
        format!("{} by {}{}", step.name, step.due, if step.met { " (met)" } else { "" })
    };
    view.milestones.iter().map(line).collect::<Vec<_>>().join(", ")
}

/// What an event or a closed incident ended, and what stays.
pub(super) fn happening(view: &HappeningView) -> String {
    let mut out: String = view.ended.iter().chain(&view.rejected).map(exception_line).collect();
    for stayed in &view.refused {
        out.push_str(&(printable(&format!("{} stays: {}", stayed.exception, stayed.why)) + "\n"));
    }
    if out.is_empty() {
        out = format!("no live exception of yours ends on `{}`\n", printable(&view.event));
    }
    out
}

/// One line after something was done with an exception.
pub(super) fn exception_line(view: &ExceptionView) -> String {
    let approvals = match view.approvals.len() {
        0 => String::new(),
        1 => ", 1 approval".to_owned(),
        count => format!(", {count} approvals"),
    };
    printable(&format!("{} is {}, revision {}, {}{approvals}", view.id, state(view), view.revision, view.digest)) + "\n"
}

fn removal_test(view: &ExceptionView) -> String {
    let told = view.removal_test.as_ref().map(|value| {
        let text = |path: &str| value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let broken = value.pointer("/test/would_break").and_then(Value::as_u64).unwrap_or_default();
        format!("{} at {}, {broken} calls would break", text("/test/result"), text("/at"))
    });
    told.unwrap_or_default()
}

pub(super) fn exception(view: &ExceptionView) -> String {
    let approvals: Vec<String> = view
        .approvals
        .iter()
        .map(|yes| {
            let security = if yes.as_security { " (security)" } else { "" };
            let vendor = if yes.as_vendor_risk { " (vendor risk)" } else { "" };
            format!("{}{security}{vendor} at {}", yes.by, time(yes.at))
        })
        .collect();
    let mut out = facts(&[
        ("exception", view.id.to_string()),
        ("state", state(view)),
        ("kind", word(&view.kind)),
        ("pilot", view.pilot.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("revision", view.revision.to_string()),
        ("digest", view.digest.to_string()),
        ("owner", view.owner.to_string()),
        ("requester", view.requester.to_string()),
        ("approved by", approvals.join(", ")),
        ("agents", joined(&view.agents)),
        ("tools", format!("{}: {}", view.server, view.tools.join(", "))),
        ("lifts", view.rules.join(", ")),
        ("incident", view.incident.clone().unwrap_or_default()),
        ("milestones", milestones(view)),
        ("from", time(view.not_before)),
        ("until", time(view.not_after)),
        ("used", format!("{} of {} calls", view.used, view.calls)),
        ("due", due(view)),
        ("attestation", view.attestation_due.map(|at| format!("due {}", time(at))).unwrap_or_default()),
        ("post review", review(view)),
        ("removal test", removal_test(view)),
        ("trial", view.trial.as_ref().map(ToString::to_string).unwrap_or_default()),
    ]);
    if let Some(analysis) = view.analysis.as_ref().and_then(|value| serde_json::from_value(value.clone()).ok()) {
        out.push_str("\nanalysis at submission:\n");
        super::study_text::analysis(&analysis).lines().for_each(|line| out.push_str(&format!("  {line}\n")));
        let proofs = view.analysis.as_ref().and_then(|value| value.get("proofs"));
        proofs
            .map(super::study_text::proofs)
            .unwrap_or_default()
            .lines()
            .for_each(|line| out.push_str(&format!("  {line}\n")));
    }
    if let Some(text) = view.spec.as_ref().and_then(|spec| serde_json::to_string_pretty(spec).ok()) {
        out.push_str("\nrecord:\n");
        text.lines().for_each(|line| out.push_str(&format!("  {}\n", printable(line))));
    }
    out
}

/// What the record has of the arguments, in a line.
fn kept(view: &Explanation) -> String {
    let Some(kept) = &view.arguments else { return String::new() };
    let text = kept["text"].as_str().unwrap_or_default().to_owned();
    let clear = kept["clear"].as_object().into_iter().flatten().map(|(place, value)| format!("{place} = {value}"));
    let omitted = kept["omitted"].as_array().into_iter().flatten().filter_map(|place| place.as_str());
    let omitted = omitted.map(|place| format!("{place} omitted"));
    [text].into_iter().chain(clear).chain(omitted).collect::<Vec<_>>().join(", ")
}

pub(super) fn explanation(view: &Explanation) -> String {
    let verdict = &view.verdict;
    let mut out = printable(&view.summary) + "\n\n";
    let passed_over: Vec<String> = verdict.passed_over.iter().map(|(id, why)| format!("{id} ({why})")).collect();
    let exception = verdict.exception.as_ref().map(|id| match verdict.revision {
        Some(revision) => format!("{id} revision {revision}"),
        None => id.to_string(),
    });
    out.push_str(&facts(&[
        ("decision", view.decision.to_string()),
        ("at", time(view.at)),
        ("agent", view.agent.to_string()),
        ("on behalf of", view.on_behalf_of.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("tool", view.tool.clone()),
        ("effect", verdict.effect.as_str().to_owned()),
        ("basis", verdict.basis.as_str().to_owned()),
        ("reason", verdict.reason.as_str().to_owned()),
        ("determined by", joined(&verdict.determining)),
        ("exception", exception.unwrap_or_default()),
        ("controls", verdict.controls.join(", ")),
        ("passed over", passed_over.join(", ")),
        ("policy set", verdict.policy_set.to_string()),
        ("outcome", view.outcome.clone().unwrap_or_default()),
        ("record", view.seq.to_string()),
        ("arguments", kept(view)),
        (
            "judged anew",
            match view.reproduced {
                Some(true) => "the same".to_owned(),
                Some(false) => "DIFFERENT".to_owned(),
                None => "not possible: policies alone did not decide, or those of then are gone".to_owned(),
            },
        ),
    ]));
    out
}

pub(super) fn controls(views: &[ControlView]) -> String {
    let rows: Vec<_> = views
        .iter()
        .map(|view| {
            let health = match (view.healthy, view.declared) {
                (true, true) => "working",
                (true, false) => "not declared",
                (false, _) => "NOT WORKING",
            };
            let kept = view.kept_by.as_ref().map_or_else(|| "the gateway".to_owned(), ToString::to_string);
            let needed = match view.needed_by.as_slice() {
                [] => String::new(),
                [only] => only.to_string(),
                [first, rest @ ..] => format!("{first} and {} more", rest.len()),
            };
            let detail = view.detail.clone().unwrap_or_default();
            [view.id.clone(), health.to_owned(), time(view.since), kept, needed, detail]
        })
        .collect();
    table(["control", "health", "since", "kept by", "needed by", "detail"], &rows)
}

pub(super) fn control_history(events: &[ControlEvent]) -> String {
    let rows: Vec<_> = events
        .iter()
        .map(|event| {
            let what = match (&event.exception, event.healthy) {
                (None, true) => "works again",
                (None, false) => "lost",
                (Some(_), true) => "resumed",
                (Some(_), false) => "suspended",
            };
            let exception = event.exception.as_ref().map(ToString::to_string).unwrap_or_default();
            let control = event.control.clone().unwrap_or_default();
            [time(event.at), what.to_owned(), control, exception, event.detail.clone()]
        })
        .collect();
    table(["at", "what", "control", "exception", "detail"], &rows)
}

pub(super) fn reload(view: &ReloadView) -> String {
    let what = if view.changed { "now in force" } else { "unchanged" };
    format!("{what}: {}\n", view.policy_set)
}
