//! What labels on an agent close whatever the arguments: left out of lists, where a call would say why it is refused.

use super::{
    bench::{Bench, Judge, Ruling},
    decision::Visibility,
    known::{Known, Moment},
    model::Mention,
    rule::Rule,
    set::PolicySet,
    source::Level,
    visibility::{lifted, shown},
};
use crate::{
    catalog::Tool,
    domain::{Candidate, Subject, Timestamp},
};
use cedar_policy::PolicySet as CedarSet;

/// The policies of one judge that read labels and no argument.
pub(super) struct Labelled {
    set: CedarSet,
    mention: Mention,
    /// Whether these are all policies of the judge, so that their silence is the judge's.
    whole: bool,
}

impl Labelled {
    /// Picks them among the binding policies; `None` if there are none.
    pub(super) fn pick(binding: &[&Rule]) -> Option<Self> {
        let free = |rule: &&&Rule| !rule.mention.whole_input && rule.mention.input.is_empty();
        let whole = binding.iter().all(|rule| free(&rule));
        let closes = |rule: &&&Rule| rule.mention.taints && rule.level != Level::Role;
        let picked: Vec<&Rule> = binding.iter().filter(free).filter(|rule| whole || closes(rule)).copied().collect();
        if !picked.iter().any(|rule| rule.mention.taints) {
            return None;
        }
        let mut mention = Mention::default();
        picked.iter().for_each(|rule| mention.extend(&rule.mention));
        let set = CedarSet::from_policies(picked.iter().map(|rule| rule.policy.clone())).ok()?;
        Some(Self { set, mention, whole })
    }
}

/// What labels do to every call of a tool, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Closed {
    /// Nothing opens it.
    Hard,
    /// An exemption may open it.
    Soft,
    /// No role permits it any more; an exception may.
    Silent,
}

impl PolicySet {
    /// What the subject is shown of the tool in a list: as [`Self::visibility`], without what its labels close.
    #[must_use]
    pub fn listed(&self, subject: &Subject, tool: &Tool, candidates: &[Candidate], now: Timestamp) -> Visibility {
        let plain = self.visibility(subject, tool, candidates, now);
        if plain == Visibility::Hidden || subject.taints.is_empty() {
            return plain;
        }
        let Some(known) = self.known(&tool.reference, tool.digest) else { return Visibility::Hidden };
        let bench = self.bench(known, subject);
        let Some(bench) = bench.as_ref() else { return Visibility::Hidden };
        let moment = Moment::of(&self.names, subject, now);
        match bench.judges.iter().filter_map(|judge| closed(judge, (bench, known), &moment)).min() {
            None => plain,
            Some(Closed::Hard) => Visibility::Hidden,
            Some(Closed::Soft) if lifted((subject, known), candidates, now) => plain,
            Some(Closed::Soft) => Visibility::Hidden,
            Some(Closed::Silent) if shown((subject, known), candidates, now) => Visibility::Exception,
            Some(Closed::Silent) if bench.may_ask(known, &self.names, &moment) => Visibility::Requestable,
            Some(Closed::Silent) => Visibility::Hidden,
        }
    }
}

fn closed(judge: &Judge, (bench, known): (&Bench, &Known), moment: &Moment) -> Option<Closed> {
    let labelled = judge.labelled.as_ref()?;
    let Ok(context) = moment.wish(&labelled.mention) else { return Some(Closed::Hard) };
    let Some(response) = judge.ask(&labelled.set, &known.action, (bench, known), context) else {
        return Some(Closed::Hard);
    };
    match Ruling::of(&response, &judge.levels) {
        Ruling::Failed(_) | Ruling::Hard(_) => Some(Closed::Hard),
        Ruling::Soft(_) => Some(Closed::Soft),
        Ruling::Silent => labelled.whole.then_some(Closed::Silent),
        Ruling::Permitted(_) => None,
    }
}
