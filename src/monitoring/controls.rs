//! The controls: what must hold before a call and what must hold after it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde::Serialize;

use super::{
    Duties, Facts, Held, Release, Withheld, constrain,
    probe::{InCall, Probe},
    rate::Rates,
};
use crate::domain::{ExceptionId, Lease, Obligation, Reason, Timestamp};

/// Duties that look at nothing but the call.
const IN_CALL: [&str; 7] =
    ["args.constrain", "descriptor.pin", "egress.allow", "principal.fresh", "rate.limit", "response.limit", "timebox"];

/// A duty does not hold, so the call may not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{control}` is not met: {detail}")]
pub struct Unmet {
    /// The duty.
    pub control: &'static str,
    /// Why, as decisions say it.
    pub reason: Reason,
    /// What is not as it must be.
    pub detail: String,
    /// When the call could come again, if time alone mends it.
    pub retry_after: Option<Duration>,
}

impl Unmet {
    fn new(control: &'static str, reason: Reason, detail: impl Into<String>) -> Self {
        Self { control, reason, detail: detail.into(), retry_after: None }
    }
}

/// Whether a control works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ControlHealth {
    /// The duty that it meets.
    pub id: &'static str,
    /// Whether it works now.
    pub healthy: bool,
    /// Since when it has been so, as far as anybody looked.
    pub since: Timestamp,
}

/// All controls of this gateway, with what their health hangs on.
#[derive(Debug)]
pub struct Controls {
    probes: BTreeMap<&'static str, Arc<dyn Probe>>,
    rates: Rates,
    seen: Mutex<Vec<ControlHealth>>,
}

impl Controls {
    /// Controls over the lease of the journal and the lease of the trace exporter, and those that need nothing but
    /// the call. Any other duty does not work until something is attached for it.
    #[must_use]
    pub fn new(audit: Arc<Lease>, trace: Arc<Lease>) -> Self {
        let controls = Self { probes: BTreeMap::new(), rates: Rates::new(), seen: Mutex::default() };
        let journal: Arc<dyn Probe> = audit;
        let controls = controls
            .with("audit.write_ahead", Arc::clone(&journal))
            .with("budget.reserve", journal)
            .with("trace.full", trace);
        IN_CALL.into_iter().fold(controls, |controls, id| controls.with(id, Arc::new(InCall)))
    }

    /// Attaches what a duty needs.
    #[must_use]
    pub fn with(mut self, id: &'static str, probe: Arc<dyn Probe>) -> Self {
        self.probes.insert(id, probe);
        self
    }

    /// The health of every control that something is attached for, at this moment, in the order of the ids.
    #[must_use]
    pub fn health(&self, now: Timestamp) -> Vec<ControlHealth> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let next: Vec<_> = self
            .probes
            .keys()
            .map(|&id| {
                let healthy = self.works(id);
                let before = seen.iter().find(|control| control.id == id && control.healthy == healthy);
                ControlHealth { id, healthy, since: before.map_or(now, |control| control.since) }
            })
            .collect();
        seen.clone_from(&next);
        next
    }

    /// Looks at every duty at this moment, in a fixed order, and gives the proof that they hold. A place in the
    /// minute of `rate.limit` is taken last, so only by a call that nothing else refuses.
    ///
    /// # Errors
    /// The first duty that does not hold.
    pub fn precondition(&self, duties: &Duties<'_>) -> Result<Held, Unmet> {
        let start = Instant::now();
        let mut held = Held { exception: None, met: Vec::new(), deadline: None, response_limit: None, trace: false };
        let Some(facts) = duties.facts() else { return Ok(held) };
        held.exception = Some(facts.exception.clone());
        held.deadline = Some(start + window_left(facts)?);
        if facts.passthrough {
            let detail = "`params` has members that the gateway does not know; they do not pass under an exception";
            return Err(Unmet::new(Obligation::ArgsConstrain.id(), Reason::ControlUnmet, detail));
        }
        let mut ordered: Vec<&Obligation> = facts.obligations.iter().collect();
        ordered.sort_by_key(|duty| (matches!(duty, Obligation::RateLimit { .. }), duty.id()));
        for duty in ordered {
            self.look(duty, facts, start, &mut held)?;
            held.met.push(duty.id());
        }
        Ok(held)
    }

    /// Turns the result into a release. `trace_queued` says that the end of the call's trace is queued, or has its
    /// place held in the queue.
    ///
    /// # Errors
    /// A duty that had to hold after the call does not; the result is gone.
    pub fn fulfil(&self, held: Held, result: Bytes, trace_queued: bool) -> Result<Release, Withheld> {
        let withheld = |control, detail: String| Err(Withheld { control, detail });
        if held.trace && !trace_queued {
            return withheld(Obligation::TraceFull.id(), "the end of the trace could not be queued".into());
        }
        if held.deadline.is_some_and(|deadline| Instant::now() > deadline) {
            return withheld("timebox", "the answer came after the end of the call's time".into());
        }
        let size = u64::try_from(result.len()).unwrap_or(u64::MAX);
        match held.response_limit {
            Some(limit) if size > limit => {
                withheld("response.limit", format!("the result has {size} bytes and may have {limit}"))
            }
            Some(_) | None => Ok(Release(result)),
        }
    }

    fn works(&self, id: &str) -> bool {
        self.probes.get(id).is_some_and(|probe| probe.health().is_ok())
    }

    fn probe(&self, duty: &Obligation, exception: &ExceptionId) -> Result<(), String> {
        let probe = self.probes.get(duty.id()).ok_or("nothing that this gateway runs meets it")?;
        probe.holds(duty, exception)
    }

    fn look(&self, duty: &Obligation, facts: &Facts<'_>, start: Instant, held: &mut Held) -> Result<(), Unmet> {
        let id = duty.id();
        if let Err(detail) = self.probe(duty, facts.exception) {
            let journal = matches!(duty, Obligation::AuditWriteAhead | Obligation::BudgetReserve);
            let reason = if journal { Reason::AuditUnavailable } else { Reason::MonitoringUnavailable };
            return Err(Unmet::new(id, reason, format!("the control does not work at this moment: {detail}")));
        }
        match duty {
            // All that these need before a call is that they work.
            Obligation::AuditWriteAhead
            | Obligation::BudgetReserve
            | Obligation::ArgsCapture
            | Obligation::ApprovalHold { .. }
            | Obligation::DryRunFirst { .. }
            | Obligation::ResponseRedact { .. }
            | Obligation::ResponseCapture
            | Obligation::TaintMark { .. }
            | Obligation::NotifyOwner { .. }
            | Obligation::ShadowEvaluate
            | Obligation::WatchAttached { .. }
            | Obligation::ExportAcknowledged { .. } => Ok(()),
            Obligation::TraceFull => {
                held.trace = true;
                let detail = "the queue of spans has no room for this call";
                facts.traced.then_some(()).ok_or_else(|| Unmet::new(id, Reason::MonitoringUnavailable, detail))
            }
            Obligation::ArgsConstrain => constrain::violation(facts.arguments, facts.bounds, facts.declared)
                .map_or(Ok(()), |detail| Err(Unmet::new(id, Reason::ControlUnmet, detail))),
            Obligation::DescriptorPin => {
                let detail = "the tool's definition is not the one that was approved";
                let same = facts.approved == Some(facts.live);
                same.then_some(()).ok_or_else(|| Unmet::new(id, Reason::ControlUnmet, detail))
            }
            Obligation::EgressAllow { hosts } => {
                let reached = facts.host.is_some_and(|host| hosts.iter().any(|one| one.eq_ignore_ascii_case(host)));
                let detail = || match facts.host {
                    Some(host) => format!("the tool server is reached at `{host}`, which is not on the list"),
                    None => "where the tool server's calls go cannot be seen".to_owned(),
                };
                reached.then_some(()).ok_or_else(|| Unmet::new(id, Reason::ControlUnmet, detail()))
            }
            Obligation::PrincipalFresh { max_age_s } => {
                let age = facts.issued.map(|issued| facts.now.signed_duration_since(issued).num_seconds());
                let fresh = age.is_some_and(|age| u64::try_from(age).is_ok_and(|age| age <= *max_age_s));
                let detail = || match age {
                    Some(age) => format!("the credential is {age} s old and may be {max_age_s}: make a new one"),
                    None => "the credential does not say when it was issued".to_owned(),
                };
                fresh.then_some(()).ok_or_else(|| Unmet::new(id, Reason::ControlUnmet, detail()))
            }
            Obligation::Timebox { seconds } => {
                let end = start + Duration::from_secs((*seconds).into());
                held.deadline = Some(held.deadline.map_or(end, |deadline| deadline.min(end)));
                Ok(())
            }
            Obligation::ResponseLimit { bytes } => {
                held.response_limit = Some(held.response_limit.map_or(*bytes, |limit| limit.min(*bytes)));
                Ok(())
            }
            Obligation::RateLimit { per_minute } => {
                self.rates.take(facts.exception, *per_minute, start).map_err(|wait| Unmet {
                    retry_after: Some(wait),
                    ..Unmet::new(id, Reason::RateLimited, format!("the {per_minute} calls of this minute are spent"))
                })
            }
        }
    }
}

fn window_left(facts: &Facts<'_>) -> Result<Duration, Unmet> {
    match (facts.not_after - facts.now).to_std() {
        Ok(left) if !left.is_zero() => Ok(left.min(Duration::from_secs(86_400))),
        Ok(_) | Err(_) => Err(Unmet::new("timebox", Reason::ExceptionExpired, "the exception has ended")),
    }
}
