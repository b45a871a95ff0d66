//! The controls: what must hold before a call and what must hold after it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use chrono::TimeDelta;
use serde::Serialize;

use super::{
    Declared, Duties, Facts, Held, STANDS, Taints, constrain, declared,
    limit::Limit,
    preview::{self, Previews},
    probe::{InCall, Memory, Probe},
    rate::Rates,
    release::After,
};
use crate::domain::{ExceptionId, Lease, Obligation, Reason, Timestamp};

/// Duties that look at nothing but the call.
const IN_CALL: [&str; 9] = [
    "args.constrain",
    "descriptor.pin",
    "dry_run_first",
    "egress.allow",
    "principal.fresh",
    "rate.limit",
    "response.limit",
    "response.redact",
    "timebox",
];

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
    pub(super) declared: ArcSwap<Declared>,
    pub(super) taints: Arc<Taints>,
    pub(super) previews: Previews,
}

impl Controls {
    /// Controls over the lease of the journal and the lease of the trace exporter, and those that need nothing but
    /// the call. Any other duty does not work until something is attached for it.
    #[must_use]
    pub fn new(audit: Arc<Lease>, trace: Arc<Lease>) -> Self {
        let taints = Arc::new(Taints::default());
        let controls = Self {
            probes: BTreeMap::new(),
            rates: Rates::new(),
            seen: Mutex::default(),
            declared: ArcSwap::from_pointee(Declared::own().unwrap_or_default()),
            taints: Arc::clone(&taints),
            previews: Previews::default(),
        };
        let journal: Arc<dyn Probe> = audit;
        let controls = controls
            .with("audit.write_ahead", Arc::clone(&journal))
            .with("budget.reserve", journal)
            .with("trace.full", trace)
            .with("taint.mark", Arc::new(Memory(taints)));
        IN_CALL.into_iter().fold(controls, |controls, id| controls.with(id, Arc::new(InCall)))
    }

    /// Attaches what a duty needs.
    #[must_use]
    pub fn with(mut self, id: &'static str, probe: Arc<dyn Probe>) -> Self {
        self.probes.insert(id, probe);
        self
    }

    /// Puts what controls.yaml says in the place of what it said before.
    pub fn declare(&self, declared: Declared) {
        self.declared.store(Arc::new(declared));
    }

    /// What controls.yaml says.
    #[must_use]
    pub fn declared(&self) -> Arc<Declared> {
        self.declared.load_full()
    }

    /// Who is marked with which labels.
    #[must_use]
    pub const fn taints(&self) -> &Arc<Taints> {
        &self.taints
    }

    /// Whether this gateway can meet the duty at all: a control is declared for it, something is attached that meets
    /// it, and what its parameters name exists.
    ///
    /// # Errors
    /// Why not, with the mend.
    pub fn meets(&self, duty: &Obligation) -> Result<(), String> {
        let id = duty.id();
        if !self.probes.contains_key(id) {
            return Err(format!("nothing that this gateway runs meets `{id}`; leave it out or choose another control"));
        }
        let declared = self.declared.load();
        if !declared.declares(id) && !declared::IMPLIED.contains(&id) {
            return Err(format!("no control of controls.yaml meets `{id}`; declare one there, or choose another"));
        }
        let Obligation::ResponseRedact { classes } = duty else { return Ok(()) };
        declared.classes(classes).map(drop)
    }

    /// Whether what the duty needs works at this moment for this exception.
    ///
    /// # Errors
    /// What does not, in one clause.
    pub fn works_for(&self, duty: &Obligation, exception: &ExceptionId) -> Result<(), String> {
        self.meets(duty)?;
        let probe = self.probes.get(duty.id()).ok_or("nothing that this gateway runs meets it")?;
        probe.holds(duty, exception)
    }

    /// What is wrong with the control that meets this duty, if something is.
    #[must_use]
    pub fn why(&self, id: &str) -> Option<String> {
        self.probes.get(id).and_then(|probe| probe.health().err())
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

    /// Looks at every duty at this moment, in a fixed order, and gives the proof that they hold. All are looked at,
    /// also behind one that does not hold; a place in the minute of `rate.limit` is taken last, so only by a call that
    /// nothing else refuses.
    ///
    /// # Errors
    /// The first duty that does not hold, with what the others say.
    pub fn precondition(&self, duties: &Duties<'_>) -> Result<Held, Unmet> {
        let start = Instant::now();
        let mut held = Held {
            exception: None,
            met: Vec::new(),
            deadline: None,
            trace: false,
            after: After::default(),
            previews: Vec::new(),
        };
        let Some(facts) = duties.facts() else { return Ok(held) };
        held.exception = Some(facts.exception.clone());
        held.deadline = Some(start + window_left(facts)?);
        let mut first: Option<Unmet> = None;
        if facts.passthrough {
            let detail = "`params` has members that the gateway does not know; they do not pass under an exception";
            first = Some(Unmet::new(Obligation::ArgsConstrain.id(), Reason::ControlUnmet, detail));
        }
        let mut ordered: Vec<&Obligation> = facts.obligations.iter().collect();
        ordered.sort_by_key(|duty| (matches!(duty, Obligation::RateLimit { .. }), duty.id()));
        for duty in ordered {
            if first.is_some() && matches!(duty, Obligation::RateLimit { .. }) {
                continue;
            }
            match (self.look(duty, facts, start, &mut held), &mut first) {
                (Ok(()), _) => held.met.push(duty.id()),
                (Err(unmet), None) => first = Some(unmet),
                (Err(also), Some(unmet)) => {
                    unmet.detail = format!("{}; also {}: {}", unmet.detail, also.control, also.detail);
                }
            }
        }
        first.map_or(Ok(held), Err)
    }

    fn works(&self, id: &str) -> bool {
        self.probes.get(id).is_some_and(|probe| probe.health().is_ok())
    }

    fn look(&self, duty: &Obligation, facts: &Facts<'_>, start: Instant, held: &mut Held) -> Result<(), Unmet> {
        let id = duty.id();
        if let Err(detail) = self.works_for(duty, facts.exception) {
            let kept = matches!(duty, Obligation::AuditWriteAhead | Obligation::BudgetReserve);
            let reason = if kept { Reason::AuditUnavailable } else { Reason::MonitoringUnavailable };
            return Err(Unmet::new(id, reason, format!("the control does not work at this moment: {detail}")));
        }
        match duty {
            // All that these need before a call is that they work.
            Obligation::AuditWriteAhead
            | Obligation::BudgetReserve
            | Obligation::ArgsCapture
            | Obligation::ApprovalHold { .. }
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
            Obligation::EgressAllow { hosts } => egress(facts, hosts),
            Obligation::PrincipalFresh { max_age_s } => fresh(facts, *max_age_s),
            Obligation::DryRunFirst { argument, max_age_s } => self.previewed(facts, argument, *max_age_s),
            Obligation::ResponseRedact { classes } => {
                held.after.classes.extend(classes.iter().cloned());
                Ok(())
            }
            Obligation::ResponseCapture => {
                held.after.capture = true;
                Ok(())
            }
            Obligation::TaintMark { labels, for_s } => {
                let stands = TimeDelta::seconds(for_s.unwrap_or(STANDS).into());
                let until = facts.now.checked_add_signed(stands).unwrap_or(Timestamp::MAX_UTC);
                held.after.marks.push((facts.who.clone(), labels.clone(), (facts.now, until)));
                Ok(())
            }
            Obligation::Timebox { seconds } => {
                let end = start + Duration::from_secs((*seconds).into());
                held.deadline = Some(held.deadline.map_or(end, |deadline| deadline.min(end)));
                Ok(())
            }
            Obligation::ResponseLimit { bytes, rows, types } => {
                held.after.limits.push(Limit { bytes: *bytes, rows: *rows, types: types.clone() });
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

    /// Whether the call is a preview itself, or was made as one before.
    fn previewed(&self, facts: &Facts<'_>, argument: &str, max_age_s: u64) -> Result<(), Unmet> {
        if !preview::is_switch(facts.declared, argument) {
            let detail = format!("the tool declares no boolean argument `{argument}`, so it has no previews");
            return Err(Unmet::new("dry_run_first", Reason::ControlUnmet, detail));
        }
        if facts.arguments.get(argument).is_some_and(|value| *value == serde_json::Value::Bool(true)) {
            return Ok(());
        }
        let key = preview::key(facts.who, facts.tool, (facts.arguments, argument));
        let age = key
            .and_then(|key| self.previews.made(&key))
            .and_then(|made| u64::try_from(facts.now.signed_duration_since(made).num_seconds()).ok());
        if age.is_some_and(|age| age <= max_age_s) {
            return Ok(());
        }
        let detail = format!(
            "no preview of this call is on record that is younger than {max_age_s} s: make it with `{argument}: true` first"
        );
        Err(Unmet::new("dry_run_first", Reason::ControlUnmet, detail))
    }
}

fn egress(facts: &Facts<'_>, hosts: &BTreeSet<String>) -> Result<(), Unmet> {
    let reached = facts.host.is_some_and(|host| hosts.iter().any(|one| one.eq_ignore_ascii_case(host)));
    let detail = || match facts.host {
        Some(host) => format!("the tool server is reached at `{host}`, which is not on the list"),
        None => "where the tool server's calls go cannot be seen".to_owned(),
    };
    reached.then_some(()).ok_or_else(|| Unmet::new("egress.allow", Reason::ControlUnmet, detail()))
}

fn fresh(facts: &Facts<'_>, max_age_s: u64) -> Result<(), Unmet> {
    let age = facts.issued.map(|issued| facts.now.signed_duration_since(issued).num_seconds());
    let fresh = age.is_some_and(|age| u64::try_from(age).is_ok_and(|age| age <= max_age_s));
    let detail = || match age {
        Some(age) => format!("the credential is {age} s old and may be {max_age_s}: make a new one"),
        None => "the credential does not say when it was issued".to_owned(),
    };
    fresh.then_some(()).ok_or_else(|| Unmet::new("principal.fresh", Reason::ControlUnmet, detail()))
}

fn window_left(facts: &Facts<'_>) -> Result<Duration, Unmet> {
    match (facts.not_after - facts.now).to_std() {
        Ok(left) if !left.is_zero() => Ok(left.min(Duration::from_secs(86_400))),
        Ok(_) | Err(_) => Err(Unmet::new("timebox", Reason::ExceptionExpired, "the exception has ended")),
    }
}
