//! Answers of studies as text for people.

use super::{
    render::{time, word},
    table::{facts, printable, table},
};
use crate::{
    analysis::{Change, Completeness, Gain, Graduated, RemovalReport, Replayed},
    api::{CanView, ExceptionView},
    app::Proposal,
};

pub(super) fn replayed(view: &Replayed) -> String {
    let mut out = changes(&view.changes);
    if view.more > 0 {
        out.push_str(&format!("and {} calls more\n", view.more));
    }
    out.push('\n');
    out.push_str(&facts(&[
        ("unchanged", view.unchanged.to_string()),
        ("newly allowed", view.gained.to_string()),
        ("newly refused", view.lost.to_string()),
        ("recorded otherwise", drift(view.drifted)),
    ]));
    out.push_str(&complete(&view.completeness));
    out.push_str("nothing was put in force\n");
    out
}

fn drift(count: u64) -> String {
    match count {
        0 => String::new(),
        count => format!("{count} (what was in force then is not what is now)"),
    }
}

fn changes(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "no recorded decision changes\n".to_owned();
    }
    let rows: Vec<_> = changes
        .iter()
        .map(|change| {
            [
                change.agent.to_string(),
                change.tool.clone(),
                change.from.to_string(),
                change.to.to_string(),
                change.count.to_string(),
                change.examples.first().map(ToString::to_string).unwrap_or_default(),
            ]
        })
        .collect();
    table(["agent", "tool", "from", "to", "calls", "for example"], &rows)
}

fn complete(completeness: &Completeness) -> String {
    let missed: Vec<String> =
        completeness.not_judged.iter().map(|(why, count)| format!("{count} {}", why.replace('_', " "))).collect();
    let judged = format!(
        "{} of {} ({} %)",
        completeness.judged,
        completeness.recorded.saturating_sub(completeness.aside),
        completeness.percent
    );
    facts(&[
        ("since", time(completeness.since)),
        ("judged", judged),
        ("not judged", missed.join(", ")),
        ("not of policies", if completeness.aside == 0 { String::new() } else { completeness.aside.to_string() }),
        (
            "redefined tools",
            if completeness.redefined == 0 { String::new() } else { completeness.redefined.to_string() },
        ),
        ("cut", if completeness.truncated { "older records were left out".to_owned() } else { String::new() }),
    ])
}

pub(super) fn can(view: &CanView) -> String {
    let mut out = printable(&format!("{}: {}", view.answer, view.summary)) + "\n\n";
    let roles: Vec<_> = view.roles.iter().map(ToString::to_string).collect();
    out.push_str(&facts(&[
        ("agent", view.agent.to_string()),
        ("on behalf of", view.on_behalf_of.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("roles", roles.join(", ")),
        ("tool", view.tool.clone()),
        ("sees it as", view.sees.clone()),
        ("policies", view.policies.join(", ")),
        ("exceptions", view.exceptions.join(", ")),
    ]));
    view.besides.iter().for_each(|line| out.push_str(&format!("but {}\n", printable(line))));
    out
}

pub(super) fn report(view: &RemovalReport) -> String {
    let taken: Vec<String> = view.taken_over.iter().map(|(by, count)| format!("{count} {by}")).collect();
    let mut out = facts(&[
        ("exception", view.exception.to_string()),
        ("removal test", word(&view.result)),
        ("policies", if view.in_force { "in force".to_owned() } else { "a candidate".to_owned() }),
        ("admitted", view.admitted.to_string()),
        ("would break", view.would_break.to_string()),
        ("taken over", taken.join(", ")),
        ("last use", view.last_use.map_or_else(|| "never in that time".to_owned(), time)),
    ]);
    out.push_str(&complete(&view.completeness));
    if let Some(shadow) = &view.shadow {
        let missing = if shadow.missing == 0 { "none" } else { "the window is incomplete" };
        out.push_str(&facts(&[
            ("judged at the time", format!("{}, of which {} would have broken", shadow.judged, shadow.would_break)),
            (
                "under the new role",
                format!("{}, of which it refuses {}", shadow.under_candidate, shadow.candidate_refuses),
            ),
            ("shadow missing", format!("{} ({missing})", shadow.missing)),
        ]));
    }
    out.push('\n');
    let agents: Vec<_> = view
        .agents
        .iter()
        .map(|(agent, loss)| {
            let counts = [loss.admitted, loss.would_break, loss.refused_in_trials];
            let [admitted, would_break, refused] = counts.map(|count| count.to_string());
            [agent.to_string(), admitted, would_break, refused]
        })
        .collect();
    out.push_str(&table(["agent", "admitted", "would break", "refused in trials"], &agents));
    if !view.breaks.is_empty() {
        out.push('\n');
        out.push_str(&changes(&view.breaks));
    }
    out
}

pub(super) fn trial(view: &ExceptionView) -> String {
    let trial = view.trial.as_ref();
    let members = trial.and_then(|trial| trial.get("members")?.as_array());
    let members: Vec<_> = members.into_iter().flatten().filter_map(serde_json::Value::as_str).collect();
    let until = trial.and_then(|trial| trial.get("until")?.as_str()).unwrap_or_default();
    printable(&format!("{}: {} go without it until {until}", view.id, members.join(", "))) + "\n"
}

pub(super) fn proposals(views: &[Proposal]) -> String {
    let rows: Vec<_> = views
        .iter()
        .map(|view| {
            [
                view.exception.to_string(),
                view.owner.to_string(),
                time(view.active_since),
                view.last_use.map(time).unwrap_or_default(),
                time(view.ends),
                view.why.clone(),
            ]
        })
        .collect();
    table(["exception", "owner", "active since", "last use", "ends", "why"], &rows)
}

pub(super) fn graduated(view: &Graduated) -> String {
    let join = |set: &std::collections::BTreeSet<_>| set.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let people: Vec<_> = view.people.iter().map(ToString::to_string).collect();
    let mut out = facts(&[
        ("role", view.role.to_string()),
        ("from", view.exceptions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        ("file", view.file.clone()),
        ("members", join(&view.members)),
        ("people", people.join(", ")),
        ("never used by", join(&view.idle)),
        ("tools left out", view.unused.join(", ")),
    ]);
    if view.tools.is_empty() {
        out.push_str("nothing was used in that time: there is no role to make of it, let it end\n");
        return out;
    }
    out.push('\n');
    view.cedar.lines().for_each(|line| out.push_str(&(printable(line) + "\n")));
    out.push_str("\nbeside the exception, the role gains (+) and loses (-):\n");
    for tool in &view.tools {
        out.push_str(&format!("  {} ({} calls)\n", printable(&tool.tool), tool.calls));
        tool.diff.iter().for_each(|line| out.push_str(&format!("    {}\n", printable(line))));
    }
    if let Some(replay) = &view.replay {
        out.push_str("\nreplay of what was recorded, under the role and without the exceptions:\n");
        out.push_str(&replayed(replay));
    }
    if let Some(gain) = &view.gain {
        out.push_str(&gained(gain));
    }
    out
}

/// The solver's answers; what is not proven is said first and loudly.
fn gained(gain: &Gain) -> String {
    let mut out = if gain.proven {
        format!(
            "\nproven for every agent of the cohort: the role gains nothing beyond the exceptions ({})\n",
            gain.solver
        )
    } else {
        format!("\nNOT PROVEN: that the role gains nothing beyond the exceptions ({})\n", gain.solver)
    };
    for one in &gain.members {
        let told = if one.told.is_empty() { &one.answer } else { &one.told };
        out.push_str(&format!("  {}: {}\n", printable(one.member.as_str()), printable(told)));
    }
    out
}

/// What the analysis of a submission found, for `exception show`.
pub(super) fn analysis(view: &crate::analysis::Analysis) -> String {
    let guardrails: Vec<String> = view
        .guardrails
        .iter()
        .map(|one| {
            let always = if one.always { ", always" } else { "" };
            format!("{} ({}{always}, {})", one.id, one.level, one.place)
        })
        .collect();
    let sprawl = &view.sprawl;
    let mut out = facts(&[
        ("admits", view.admits.tools.keys().cloned().collect::<Vec<_>>().join(", ")),
        ("arguments", view.admits.arguments.join("; ")),
        ("refused calls", format!("{} of the last {} days would now pass", view.would_pass, view.days)),
        ("still refused", view.still_refused.to_string()),
        ("guardrails", guardrails.join(", ")),
        ("allowed by roles", view.implied.answer.clone()),
        ("owner's live", format!("{} of {}", sprawl.of_owner, sprawl.per_owner)),
        ("channel's live", format!("{} of {}", sprawl.of_channel, sprawl.per_channel)),
    ]);
    out.push_str(&complete(&view.completeness));
    if !view.passing.is_empty() {
        out.push_str(&changes(&view.passing));
    }
    view.notes.iter().for_each(|note| out.push_str(&format!("note: {}\n", printable(note))));
    out
}

/// What a solver said of a submission, a line for each claim.
pub(super) fn proofs(proofs: &serde_json::Value) -> String {
    let lines = proofs.as_array().into_iter().flatten().map(|proof| {
        let text = |path: &str| printable(proof.pointer(path).and_then(serde_json::Value::as_str).unwrap_or_default());
        if proof.get("solver").is_some() {
            return format!("nothing is proven: {}\n", text("/solver"));
        }
        let (claim, answer) = (text("/claim").replace('_', " "), text("/answer").replace('_', " "));
        let more = ["/why", "/example/context"].map(text).into_iter().filter(|part| !part.is_empty());
        let more: String = more.map(|part| format!(", {part}")).collect();
        format!("{}: {claim}: {answer}{more}\n", text("/about"))
    });
    lines.collect()
}
