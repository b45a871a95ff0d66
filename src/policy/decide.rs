//! The decision: hard forbid, soft forbid, roles, then exceptions, else no. An evaluation error is before them all.

use std::sync::Arc;

use cedar_policy::Context;

use super::{
    bench::{Bench, Ruling},
    candidate::{self, Chosen, Outcome},
    decision::{Decision, Denial, Permit},
    known::{Known, Moment},
    model::{Mention, Unfit},
    set::PolicySet,
};
use crate::{
    catalog::ToolCall,
    domain::{Basis, Candidate, Effect, Grant, Kind, Reason, Subject, Timestamp, Verdict},
};

impl PolicySet {
    /// Judges one call. Pure: the same set, subject, call, candidates and time give the same decision.
    pub fn decide(&self, subject: &Subject, call: ToolCall, candidates: &[Candidate], now: Timestamp) -> Decision {
        let moment = Moment::of(&self.names, subject, now);
        let Some(known) = self.known(&call.tool().reference, call.tool().digest) else {
            return deny(self.no(Basis::DefaultDeny, Reason::Stale), &call, false);
        };
        let bench = self.bench(known, subject);
        let Some(bench) = bench.as_ref() else {
            return deny(self.no(Basis::DefaultDeny, Reason::PolicyError), &call, false);
        };
        let weighed = self.weigh((bench, known), (subject, &moment), &call, candidates);
        match weighed.verdict.effect {
            Effect::Allow => {
                let grant = weighed.chosen.map(|chosen| chosen.grant);
                Decision::Permit(Box::new(Permit::new(weighed.verdict, call, grant)))
            }
            Effect::Deny => {
                let silent =
                    weighed.verdict.basis == Basis::DefaultDeny && weighed.verdict.reason != Reason::PolicyError;
                let requestable = silent && bench.may_ask(known, &self.names, &moment);
                deny(weighed.verdict, &call, requestable)
            }
        }
    }

    fn weigh(
        &self,
        (bench, known): (&Bench, &Known),
        (subject, moment): (&Subject, &Moment),
        call: &ToolCall,
        candidates: &[Candidate],
    ) -> Weighed {
        let Ok(context) = moment.context(known, call.value(), &bench.mention) else {
            return self.no(Basis::DefaultDeny, Reason::PolicyError).into();
        };
        let advisories = match bench.advise(known, &context) {
            Ok(advisories) => advisories,
            Err(failed) => return self.because(Basis::DefaultDeny, Reason::PolicyError, failed).into(),
        };
        let mut weighed: Weighed = match bench.rule(known, &context) {
            Ruling::Failed(ids) => self.because(Basis::DefaultDeny, Reason::PolicyError, ids).into(),
            Ruling::Hard(ids) => self.because(Basis::Guardrail, Reason::HardGuardrail, ids).into(),
            Ruling::Soft(ids) => self.lift(ids, (bench, known), (subject, moment), (call, candidates, &context)),
            Ruling::Permitted(ids) => {
                let verdict = self.because(Basis::Rbac, Reason::Granted, ids);
                Verdict { effect: Effect::Allow, ..verdict }.into()
            }
            Ruling::Silent => {
                let permits = |grant: &Grant| grant.kind != Kind::RuleExemption;
                self.except(self.outcome((bench, known), (subject, moment), (call, candidates), &permits))
            }
        };
        weighed.verdict.advisories = advisories;
        weighed
    }

    /// What the exceptions say. They are looked at only here, so that no exception changes what roles permit (I20).
    fn outcome(
        &self,
        (bench, known): (&Bench, &Known),
        (subject, moment): (&Subject, &Moment),
        (call, candidates): (&ToolCall, &[Candidate]),
        counts: &dyn Fn(&Grant) -> bool,
    ) -> Outcome {
        let live = candidate::live(self, known, subject, candidates.iter().filter(|one| counts(&one.grant)));
        let mut mention = Mention::default();
        for candidate in &live {
            mention.extend(candidate.mention());
        }
        match moment.context(known, call.value(), &mention) {
            Ok(context) => candidate::choose(&live, (bench, known), call, (moment.now, &context)),
            Err(Unfit) => Outcome { answer: Err((None, Reason::PolicyError)), passed_over: Vec::new() },
        }
    }

    /// The verdict where soft guardrails forbid: one exemption that names all of them lifts them, and then a role must
    /// permit the call. Another exception beside it would be a second one, and a call is never carried by two.
    fn lift(
        &self,
        soft: Vec<Arc<str>>,
        (bench, known): (&Bench, &Known),
        (subject, moment): (&Subject, &Moment),
        (call, candidates, context): (&ToolCall, &[Candidate], &Context),
    ) -> Weighed {
        let lifts = |grant: &Grant| grant.kind == Kind::RuleExemption && soft.iter().all(|id| grant.rules.contains(id));
        let mut weighed = self.except(self.outcome((bench, known), (subject, moment), (call, candidates), &lifts));
        let Some(chosen) = &weighed.chosen else {
            let verdict = &mut weighed.verdict;
            verdict.basis = Basis::Guardrail;
            verdict.determining = soft.into();
            if verdict.reason == Reason::NoGrant {
                verdict.reason = Reason::SoftGuardrail;
            }
            return weighed;
        };
        let id: Arc<str> = Arc::from(chosen.grant.exception.as_str());
        match bench.rule_without_soft(known, context) {
            Ruling::Permitted(mut roles) => {
                roles.push(id);
                weighed.verdict.determining = roles.into();
                weighed
            }
            Ruling::Hard(ids) => self.because(Basis::Guardrail, Reason::HardGuardrail, ids).into(),
            Ruling::Failed(ids) => self.because(Basis::DefaultDeny, Reason::PolicyError, ids).into(),
            Ruling::Soft(_) | Ruling::Silent => self.because(Basis::Guardrail, Reason::SoftGuardrail, soft).into(),
        }
    }

    /// The verdict where only exceptions can help.
    fn except(&self, outcome: Outcome) -> Weighed {
        let Outcome { answer, passed_over } = outcome;
        let mut verdict = self.no(Basis::DefaultDeny, Reason::NoGrant);
        verdict.passed_over = passed_over;
        let (chosen, reason) = match answer {
            Ok(chosen) => (Some(chosen), Reason::Granted),
            Err((grant, reason)) => {
                if let Some(grant) = grant {
                    verdict.exception = Some(grant.exception.clone());
                    verdict.revision = Some(grant.revision);
                    verdict.pilot.clone_from(&grant.pilot);
                }
                (None, reason)
            }
        };
        verdict.reason = reason;
        if let Some(Chosen { grant }) = &chosen {
            verdict.effect = Effect::Allow;
            verdict.basis = match grant.kind {
                Kind::BreakGlass => Basis::BreakGlass,
                Kind::Pilot | Kind::TemporaryElevation | Kind::RuleExemption | Kind::ThirdPartyConnector => {
                    Basis::Exception
                }
            };
            verdict.determining = Arc::from([Arc::from(grant.exception.as_str())]);
            verdict.exception = Some(grant.exception.clone());
            verdict.revision = Some(grant.revision);
            verdict.pilot.clone_from(&grant.pilot);
            verdict.controls = grant.obligations.iter().map(|obligation| obligation.id().to_owned()).collect();
        }
        Weighed { verdict, chosen }
    }

    fn no(&self, basis: Basis, reason: Reason) -> Verdict {
        self.because(basis, reason, Vec::new())
    }

    /// A verdict that refuses and names these policies.
    pub(super) fn because(&self, basis: Basis, reason: Reason, determining: Vec<Arc<str>>) -> Verdict {
        Verdict::refusal(basis, reason, determining, self.digest())
    }
}

struct Weighed {
    verdict: Verdict,
    chosen: Option<Chosen>,
}

impl From<Verdict> for Weighed {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, chosen: None }
    }
}

fn deny(verdict: Verdict, call: &ToolCall, requestable: bool) -> Decision {
    let tool = call.tool();
    let (tool, exposed) = (tool.reference.clone(), tool.exposed.clone());
    Decision::Deny(Box::new(Denial { verdict, tool, exposed, requestable }))
}
