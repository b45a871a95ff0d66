//! What a subject sees of a tool before any arguments are known, by partial evaluation.

use cedar_policy::{Context, Decision, PartialEntities, PartialEntityUid, PartialRequest};

use super::{
    bench::{Bench, Judge, Ruling},
    candidate,
    decision::Visibility,
    known::{Known, Moment},
    set::PolicySet,
};
use crate::{
    catalog::Tool,
    domain::{Candidate, Grant, Subject, Timestamp},
};

/// What the binding policies say whatever the arguments and the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Access {
    /// A guardrail forbids every call, or a policy fails on every call.
    Forbidden,
    /// Nothing permits any call.
    Silent,
    /// It depends.
    Depends,
    /// Every call is permitted.
    Permitted,
}

impl PolicySet {
    /// What the subject sees of the tool.
    #[must_use]
    pub fn visibility(&self, subject: &Subject, tool: &Tool, candidates: &[Candidate], now: Timestamp) -> Visibility {
        let Some(known) = self.known(&tool.reference, tool.digest) else { return Visibility::Hidden };
        let bench = self.bench(known, subject);
        let Some(bench) = bench.as_ref() else { return Visibility::Hidden };
        match bench.access.get_or_init(|| self.access(bench, known)) {
            Access::Forbidden => {
                let lifted = lifted((subject, known), candidates, now);
                if lifted { Visibility::Exception } else { Visibility::Hidden }
            }
            Access::Permitted => Visibility::Allowed,
            Access::Depends => Visibility::Depends,
            Access::Silent => {
                if shown((subject, known), candidates, now) {
                    return Visibility::Exception;
                }
                let moment = Moment::of(&self.names, subject, now);
                if bench.may_ask(known, &self.names, &moment) { Visibility::Requestable } else { Visibility::Hidden }
            }
        }
    }

    fn access(&self, bench: &Bench, known: &Known) -> Access {
        bench.judges.iter().map(|judge| self.access_of(judge, bench, known)).min().unwrap_or(Access::Forbidden)
    }

    fn access_of(&self, judge: &Judge, bench: &Bench, known: &Known) -> Access {
        if judge.plain {
            return match judge.rule(bench, known, Context::empty()) {
                Ruling::Failed(_) | Ruling::Hard(_) | Ruling::Soft(_) => Access::Forbidden,
                Ruling::Permitted(_) => Access::Permitted,
                Ruling::Silent => Access::Silent,
            };
        }
        self.partial(judge, bench, known).unwrap_or(Access::Depends)
    }

    /// Partial evaluation; `None` if it cannot be done, and then only a whole call can tell.
    fn partial(&self, judge: &Judge, bench: &Bench, known: &Known) -> Option<Access> {
        let schema = known.schema(&self.rules, &self.names)?;
        let principal = PartialEntityUid::from_concrete(judge.principal.clone());
        let resource = PartialEntityUid::from_concrete(known.resource.clone());
        let request = PartialRequest::new(principal, known.action.clone(), resource, None, schema).ok()?;
        let entities = PartialEntities::from_concrete(bench.entities.clone(), schema).ok()?;
        let response = judge.binding.tpe(&request, &entities, schema).ok()?;
        let fails = response.error_permits().chain(response.error_forbids()).next().is_some();
        if fails || response.true_forbids().next().is_some() {
            return Some(Access::Forbidden);
        }
        Some(match response.decision() {
            Some(Decision::Allow) => Access::Permitted,
            Some(Decision::Deny) => Access::Silent,
            None if response.true_permits().chain(response.residual_permits()).next().is_none() => Access::Silent,
            None => Access::Depends,
        })
    }
}

/// Whether an exemption that lifts guardrails names the tool for the subject.
pub(super) fn lifted((subject, known): (&Subject, &Known), candidates: &[Candidate], now: Timestamp) -> bool {
    let lifts = |grant: &Grant| {
        !grant.rules.is_empty() && candidate::names(grant, subject, known) && is_live(grant, subject, now)
    };
    candidates.iter().any(|candidate| lifts(&candidate.grant))
}

/// Whether an exception shows the tool to the subject.
pub(super) fn shown((subject, known): (&Subject, &Known), candidates: &[Candidate], now: Timestamp) -> bool {
    let shows = |grant: &Grant| candidate::names(grant, subject, known) && is_live(grant, subject, now);
    candidates.iter().any(|candidate| shows(&candidate.grant))
}

/// Whether the grant is in its window and covers the person that the agent acts for.
fn is_live(grant: &Grant, subject: &Subject, now: Timestamp) -> bool {
    let person = match &subject.on_behalf_of {
        Some(delegator) => grant.users.is_empty() || grant.users.contains(&delegator.person),
        None => !grant.user_required,
    };
    person && (grant.window.not_before..grant.window.not_after).contains(&now)
}
