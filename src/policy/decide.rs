//! The decision: hard forbid, soft forbid, roles, exceptions, default deny; an evaluation error is a denial.

use std::sync::Arc;

use cedar_policy::{Context, Entities, EntityUid, PolicySet as CedarSet};

use super::{
    Decision, Denial, Permit, PolicySet,
    cedar::{self, Answer},
    context,
    grant::Match,
    slice::{Key, Slice},
};
use crate::{
    catalog::ToolCall,
    domain::{Basis, Candidate, Effect, ExceptionId, Grant, Kind, Reason, Standing, Subject, Timestamp, Verdict},
};

/// Which set spoke, why, and by which policies.
struct Spoken {
    basis: Basis,
    reason: Reason,
    determining: Vec<String>,
}

/// Agent, and the person it acts for: each must be allowed.
pub(super) fn principals(subject: &Subject) -> impl Iterator<Item = Key> {
    let agent = Key { kind: "Agent", id: subject.agent.as_str().to_owned(), roles: Arc::clone(&subject.roles) };
    let user = subject.on_behalf_of.as_ref().map(|delegator| Key {
        kind: "User",
        id: delegator.person.as_str().to_owned(),
        roles: Arc::clone(&delegator.roles),
    });
    [Some(agent), user].into_iter().flatten()
}

impl PolicySet {
    /// Judges a call. A pure function of its arguments and of this set; `candidates` are the exceptions that
    /// name this agent and tool, with their standing at `now`.
    pub fn decide(&self, subject: &Subject, call: ToolCall, candidates: &[Candidate], now: Timestamp) -> Decision {
        let Some(slice) = self.slice(call.tool()) else {
            return self.deny(call, Spoken { basis: Basis::DefaultDeny, reason: Reason::PolicyError, determining: vec![] }, None);
        };
        let mut verdict = self.verdict(&slice, subject, &call, candidates, now);
        match verdict {
            (Effect::Allow, ref spoken, ref mut exceptions) => {
                let grant = exceptions.chosen.take();
                let mut data = self.data(Effect::Allow, spoken, grant.as_deref());
                data.passed_over = std::mem::take(&mut exceptions.passed_over);
                data.advisories = self.advisories(&slice, subject, &call, now);
                Decision::Permit(Box::new(Permit::new(call, data, grant)))
            }
            (Effect::Deny, spoken, exceptions) => {
                let requestable = !matches!(spoken.reason, Reason::HardGuardrail | Reason::PolicyError) && self.requestable(&slice, subject);
                let mut data = self.data(Effect::Deny, &spoken, exceptions.chosen.as_deref());
                data.passed_over = exceptions.passed_over;
                Decision::Deny(Box::new(Denial { verdict: data, tool: Arc::clone(call.tool()), requestable }))
            }
        }
    }

    fn verdict(&self, slice: &Slice, subject: &Subject, call: &ToolCall, candidates: &[Candidate], now: Timestamp) -> (Effect, Spoken, Exceptions) {
        let none = Exceptions::default();
        let guardrail = |reason, determining| (Effect::Deny, Spoken { basis: Basis::Guardrail, reason, determining }, Exceptions::default());
        let failed = || (Effect::Deny, Spoken { basis: Basis::DefaultDeny, reason: Reason::PolicyError, determining: vec![] }, Exceptions::default());
        let arguments = slice.reads_input.then_some((&slice.input, call.value()));
        let Some(context) = context::of_call(arguments, slice.reads_now.then_some(now)) else { return failed() };
        for (set, reason) in [(&slice.hard, Reason::HardGuardrail), (&slice.soft, Reason::SoftGuardrail)] {
            match ask_any(set, slice, subject, &context) {
                Answer::Matched(policies) => return guardrail(reason, policies),
                Answer::Failed(error) => {
                    tracing::error!(%error, tool = %call.tool().reference, "a guardrail cannot be evaluated");
                    return failed();
                }
                Answer::Nothing => {}
            }
        }
        match ask_all(&slice.roles, slice, subject, &context) {
            Answer::Matched(determining) => return (Effect::Allow, Spoken { basis: Basis::Rbac, reason: Reason::Granted, determining }, none),
            Answer::Failed(error) => {
                tracing::error!(%error, tool = %call.tool().reference, "a role cannot be evaluated");
                return failed();
            }
            Answer::Nothing => {}
        }
        self.by_exception(slice, subject, call, candidates, now)
    }

    fn by_exception(&self, slice: &Slice, subject: &Subject, call: &ToolCall, candidates: &[Candidate], now: Timestamp) -> (Effect, Spoken, Exceptions) {
        let default = |reason, exceptions| (Effect::Deny, Spoken { basis: Basis::DefaultDeny, reason, determining: vec![] }, exceptions);
        let Some(agent) = principals(subject).next() else { return default(Reason::NoGrant, Exceptions::default()) };
        let Some((principal, entities)) = slice.entities(&agent) else { return default(Reason::PolicyError, Exceptions::default()) };
        let mut admitted: Vec<Arc<Grant>> = Vec::new();
        let mut closest: Option<(Reason, Arc<Grant>)> = None;
        let mut passed_over = Vec::new();
        for candidate in candidates {
            let grant = &candidate.grant;
            let asked = (&principal, &slice.action, &slice.resource, entities.as_ref());
            let reason = match (self.grants.judge(grant, subject, call, asked, now), candidate.standing) {
                (Match::Admits, Standing::Usable) => {
                    admitted.push(Arc::clone(grant));
                    continue;
                }
                (Match::Failed(error), _) => {
                    tracing::error!(%error, exception = %grant.exception, "an exception cannot be evaluated");
                    return default(Reason::PolicyError, Exceptions::default());
                }
                (Match::Admits, Standing::Suspended(_)) => Reason::ExceptionSuspended,
                (Match::Admits, Standing::Exhausted) => Reason::ExceptionExhausted,
                (Match::OutOfScope(_), _) => Reason::ScopeMismatch,
            };
            passed_over.push((grant.exception.clone(), reason.as_str().to_owned()));
            if closest.as_ref().is_none_or(|(known, _)| *known == Reason::ScopeMismatch) {
                closest = Some((reason, Arc::clone(grant)));
            }
        }
        admitted.sort_by(|a, b| strictest(a, b));
        let mut admitted = admitted.into_iter();
        let Some(chosen) = admitted.next() else {
            let (reason, chosen) = closest.map_or((Reason::NoGrant, None), |(reason, grant)| (reason, Some(grant)));
            return default(reason, Exceptions { chosen, passed_over });
        };
        passed_over.extend(admitted.map(|grant| (grant.exception.clone(), "another exception has stricter controls or ends earlier".to_owned())));
        let basis = if chosen.kind == Kind::BreakGlass { Basis::BreakGlass } else { Basis::Exception };
        (Effect::Allow, Spoken { basis, reason: Reason::Granted, determining: vec![] }, Exceptions { chosen: Some(chosen), passed_over })
    }

    fn advisories(&self, slice: &Slice, subject: &Subject, call: &ToolCall, now: Timestamp) -> Vec<Arc<str>> {
        if slice.advisory.is_empty() {
            return Vec::new();
        }
        let arguments = slice.reads_input.then_some((&slice.input, call.value()));
        let Some(context) = context::of_call(arguments, slice.reads_now.then_some(now)) else { return Vec::new() };
        match ask_any(&slice.advisory, slice, subject, &context) {
            Answer::Matched(policies) => policies.into_iter().map(Arc::from).collect(),
            Answer::Nothing => Vec::new(),
            Answer::Failed(error) => vec![Arc::from(format!("could not be evaluated: {error}"))],
        }
    }

    pub(super) fn requestable(&self, slice: &Slice, subject: &Subject) -> bool {
        let ask = |key: Key| {
            let (principal, entities) = slice.entities(&key)?;
            let request = cedar::request(&principal, &slice.request_action, &slice.resource, Context::empty())?;
            Some(matches!(cedar::ask(&slice.requestable, &request, &entities), Answer::Matched(_)))
        };
        !slice.requestable.is_empty() && principals(subject).next().and_then(ask).unwrap_or(false)
    }

    fn deny(&self, call: ToolCall, spoken: Spoken, grant: Option<&Grant>) -> Decision {
        let verdict = self.data(Effect::Deny, &spoken, grant);
        Decision::Deny(Box::new(Denial { verdict, tool: Arc::clone(call.tool()), requestable: false }))
    }

    fn data(&self, effect: Effect, spoken: &Spoken, grant: Option<&Grant>) -> Verdict {
        Verdict {
            effect,
            basis: spoken.basis,
            reason: spoken.reason,
            determining: spoken.determining.iter().map(|id| Arc::from(id.as_str())).collect(),
            policy_set: self.digest(),
            exception: grant.map(|grant| grant.exception.clone()),
            revision: grant.map(|grant| grant.revision),
            pilot: grant.and_then(|grant| grant.pilot.clone()),
            controls: grant.map(|grant| grant.obligations.iter().map(|duty| duty.id().to_owned()).collect()).unwrap_or_default(),
            passed_over: Vec::new(),
            advisories: Vec::new(),
        }
    }
}

/// The exception that admits the call or came closest, and the others.
#[derive(Debug, Default)]
struct Exceptions {
    chosen: Option<Arc<Grant>>,
    passed_over: Vec<(ExceptionId, String)>,
}

/// Most controls first, then the earliest end, then the id.
fn strictest(a: &Grant, b: &Grant) -> std::cmp::Ordering {
    b.obligations.len().cmp(&a.obligations.len()).then(a.window.not_after.cmp(&b.window.not_after)).then(a.exception.cmp(&b.exception))
}

/// For forbids: one principal is enough.
pub(super) fn ask_any(set: &CedarSet, slice: &Slice, subject: &Subject, context: &Context) -> Answer {
    for key in principals(subject) {
        match ask_one(set, slice, &key, context) {
            Answer::Nothing => {}
            spoken @ (Answer::Matched(_) | Answer::Failed(_)) => return spoken,
        }
    }
    Answer::Nothing
}

/// For permits: every principal must be permitted.
pub(super) fn ask_all(set: &CedarSet, slice: &Slice, subject: &Subject, context: &Context) -> Answer {
    let mut policies = Vec::new();
    for key in principals(subject) {
        match ask_one(set, slice, &key, context) {
            Answer::Matched(more) => policies.extend(more),
            silent @ (Answer::Nothing | Answer::Failed(_)) => return silent,
        }
    }
    policies.sort();
    policies.dedup();
    Answer::Matched(policies)
}

fn ask_one(set: &CedarSet, slice: &Slice, key: &Key, context: &Context) -> Answer {
    if set.is_empty() {
        return Answer::Nothing;
    }
    let asked = |(principal, entities): (EntityUid, Arc<Entities>)| {
        let request = cedar::request(&principal, &slice.action, &slice.resource, context.clone())?;
        Some(cedar::ask(set, &request, &entities))
    };
    slice.entities(key).and_then(asked).unwrap_or_else(|| Answer::Failed("the request cannot be built".to_owned()))
}
