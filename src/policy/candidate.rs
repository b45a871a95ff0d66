//! Which exception admits a call that no role permits: at most one, and why the others do not.

use std::{cmp::Reverse, sync::Arc};

use cedar_policy::{Authorizer, Context, Decision, Request};

use super::{bench::Bench, grant::Compiled, known::Known, model::Mention, set::PolicySet};
use crate::{
    catalog::ToolCall,
    domain::{Candidate, ExceptionId, Grant, Obligation, Reason, Standing, Subject, SuspendReason, Timestamp},
};

/// A candidate for this agent and tool, compiled.
pub(super) struct Live {
    standing: Standing,
    compiled: Arc<Compiled>,
}

/// The exception that admits the call.
pub(super) struct Chosen {
    /// What it grants.
    pub(super) grant: Arc<Grant>,
}

/// What the candidates say.
pub(super) struct Outcome {
    /// The exception, or the one that came closest and the reason.
    pub(super) answer: Result<Chosen, (Option<Arc<Grant>>, Reason)>,
    /// The others, each with why it was not used.
    pub(super) passed_over: Vec<(ExceptionId, String)>,
}

/// Why a candidate does not admit the call; in the order in which the reasons are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Miss {
    Failed,
    Suspended,
    Unwatched,
    Exhausted,
    Expired,
    Drifted,
    Mismatch,
    NotYet,
}

impl Miss {
    const fn reason(self) -> Reason {
        match self {
            Self::Failed => Reason::PolicyError,
            Self::Suspended => Reason::ExceptionSuspended,
            Self::Unwatched => Reason::MonitoringUnavailable,
            Self::Exhausted => Reason::ExceptionExhausted,
            Self::Expired => Reason::ExceptionExpired,
            Self::Drifted => Reason::ControlUnmet,
            Self::Mismatch => Reason::ScopeMismatch,
            Self::NotYet => Reason::NoGrant,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Failed => "it could not be evaluated",
            Self::Suspended => "it is suspended",
            Self::Unwatched => "it is suspended, because a control that it needs does not work",
            Self::Exhausted => "its budget is spent",
            Self::Expired => "it has ended",
            Self::Drifted => "the tool's definition is not the one that was approved",
            Self::Mismatch => "it does not cover these arguments or this person",
            Self::NotYet => "it has not begun",
        }
    }
}

impl Live {
    /// What its policy reads.
    pub(super) fn mention(&self) -> &Mention {
        const NOTHING: &Mention = &Mention {
            taints: false,
            now: false,
            user: false,
            whole_input: false,
            input: std::collections::BTreeSet::new(),
            stranger: false,
        };
        self.compiled.policy.as_ref().map_or(NOTHING, |(_, mention)| mention)
    }
}

/// Whether the grant names this agent and tool.
pub(super) fn names(grant: &Grant, subject: &Subject, known: &Known) -> bool {
    let tool = &known.tool.reference;
    grant.server == tool.server && grant.tools.contains_key(&tool.tool) && grant.agents.contains(&subject.agent)
}

/// The candidates that name this agent and tool, compiled.
pub(super) fn live<'a>(
    set: &PolicySet,
    known: &Known,
    subject: &Subject,
    candidates: impl Iterator<Item = &'a Candidate>,
) -> Vec<Live> {
    let named = candidates.filter(|candidate| names(&candidate.grant, subject, known));
    named.map(|candidate| Live { standing: candidate.standing, compiled: set.grant(&candidate.grant, known) }).collect()
}

/// The strictest controls win, then the earliest end, then the id.
pub(super) fn choose(
    live: &[Live],
    (bench, known): (&Bench, &Known),
    call: &ToolCall,
    (now, context): (Timestamp, &Context),
) -> Outcome {
    let judged = live.iter().map(|candidate| (candidate, judge(candidate, (bench, known), call, (now, context))));
    let (matching, missing): (Vec<_>, Vec<_>) = judged.partition(|(_, miss)| miss.is_none());
    let mut matching: Vec<_> = matching.into_iter().map(|(candidate, _)| &candidate.compiled.grant).collect();
    matching.sort_by(|a, b| rank(a).cmp(&rank(b)));
    let mut missing: Vec<_> =
        missing.into_iter().filter_map(|(candidate, miss)| Some((miss?, &candidate.compiled.grant))).collect();
    missing.sort_by(|(a, one), (b, other)| (a, &one.exception).cmp(&(b, &other.exception)));
    let why = |(miss, grant): &(Miss, &Arc<Grant>)| (grant.exception.clone(), miss.text().to_owned());
    let mut passed_over: Vec<_> = Vec::new();
    let failed = missing.first().is_some_and(|(miss, _)| *miss == Miss::Failed);
    let answer = match (matching.as_slice(), missing.as_slice()) {
        ([best, others @ ..], _) if !failed => {
            let weaker = "another that matches has stricter controls, ends earlier or comes first";
            passed_over.extend(others.iter().map(|grant| (grant.exception.clone(), weaker.to_owned())));
            passed_over.extend(missing.iter().map(why));
            Ok(Chosen { grant: Arc::clone(best) })
        }
        (_, [(miss, closest), others @ ..]) => {
            passed_over.extend(others.iter().map(why));
            Err((Some(Arc::clone(closest)), miss.reason()))
        }
        (_, []) => Err((None, Reason::NoGrant)),
    };
    Outcome { answer, passed_over }
}

/// Why the candidate does not admit the call; `None` if it does.
fn judge(
    candidate: &Live,
    (bench, known): (&Bench, &Known),
    call: &ToolCall,
    (now, context): (Timestamp, &Context),
) -> Option<Miss> {
    let grant = &candidate.compiled.grant;
    if now >= grant.window.not_after {
        return Some(Miss::Expired);
    }
    if now < grant.window.not_before {
        return Some(Miss::NotYet);
    }
    let Ok((policy, _)) = &candidate.compiled.policy else { return Some(Miss::Failed) };
    let Some(agent) = bench.judges.first() else { return Some(Miss::Failed) };
    let (action, tool) = (known.action.clone(), known.resource.clone());
    let Ok(request) = Request::new(agent.principal.clone(), action, tool, context.clone(), None) else {
        return Some(Miss::Failed);
    };
    let response = Authorizer::new().is_authorized(&request, policy, &bench.entities);
    if response.diagnostics().errors().next().is_some() {
        return Some(Miss::Failed);
    }
    if response.decision() != Decision::Allow || !is_confined(grant, known, call) {
        return Some(Miss::Mismatch);
    }
    let pinned = grant.obligations.contains(&Obligation::DescriptorPin);
    if !pinned && grant.tools.get(&known.tool.reference.tool) != Some(&known.tool.digest) {
        return Some(Miss::Drifted);
    }
    match candidate.standing {
        Standing::Usable => None,
        Standing::Suspended(SuspendReason::ControlUnhealthy) => Some(Miss::Unwatched),
        Standing::Suspended(_) => Some(Miss::Suspended),
        Standing::Exhausted => Some(Miss::Exhausted),
    }
}

/// What Cedar does not see: members that pass through, arguments that the schema does not declare, and null where a
/// bound is (T070).
fn is_confined(grant: &Grant, known: &Known, call: &ToolCall) -> bool {
    let declared = grant.arguments.is_empty() || call.value().keys().all(|name| known.input.declares(name));
    let null =
        grant.arguments.iter().any(|bound| call.value().get(&bound.name).is_some_and(serde_json::Value::is_null));
    call.passthrough().is_empty() && declared && !null
}

/// Stricter first: more duties, then tighter ones; then the earlier end; then the id.
fn rank(grant: &Grant) -> impl Ord {
    let tightest =
        |of: fn(&Obligation) -> Option<u64>| grant.obligations.iter().filter_map(of).min().unwrap_or(u64::MAX);
    let rate =
        tightest(
            |duty| if let Obligation::RateLimit { per_minute } = duty { Some(u64::from(*per_minute)) } else { None },
        );
    let time =
        tightest(|duty| if let Obligation::Timebox { seconds } = duty { Some(u64::from(*seconds)) } else { None });
    let size = tightest(|duty| if let Obligation::ResponseLimit { bytes, .. } = duty { Some(*bytes) } else { None });
    let duties = grant.obligations.iter().map(Obligation::id).collect::<std::collections::BTreeSet<_>>().len();
    (Reverse(duties), rate, time, size, grant.window.not_after, grant.exception.clone())
}
