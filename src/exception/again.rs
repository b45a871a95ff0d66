//! The same grant again: whoever goes on with one must say so, and all of them together have an end (I2, T089).

use chrono::TimeDelta;

use super::{Ceiling, Desk, DeskError, Ending, Exception, Phase, Spec, State, ceiling::later};
use crate::domain::{SuspendReason, Timestamp, Window};

impl Desk {
    /// Refuses a record that goes on with an earlier grant of the same owner for the same agents and tools without
    /// naming it, and one with which such grants together would be in force for longer than its kind may last, within
    /// twice that time.
    pub(super) async fn not_again(&self, spec: &Spec, now: Timestamp) -> Result<(), DeskError> {
        let ceiling = Ceiling::of(spec.kind);
        let since = back(spec.window.not_after, ceiling.lifetime + ceiling.lifetime);
        let (mut held, mut named) = (Vec::new(), Vec::new());
        let known = self.parts.ledger().granted(spec, since);
        for id in known {
            let earlier = match self.parts.read(&id).await {
                Ok(earlier) => earlier,
                Err(DeskError::Damaged { .. }) => continue,
                Err(error) => return Err(error),
            };
            if !same(spec, &earlier.spec) {
                continue;
            }
            let over = end_of(&earlier);
            if spec.supersedes.is_none() && ceiling.renewals > 0 && goes_on(spec, over, ceiling.window) {
                self.named(&earlier, ceiling.renewals, now).await?;
            }
            if over > since {
                named.push(format!("`{id}`"));
            }
            held.push(Window { not_before: earlier.spec.window.not_before.max(since), not_after: over });
        }
        let before = together(held.clone());
        held.push(spec.window);
        if together(held.clone()) > ceiling.lifetime {
            return Err(DeskError::Conflict(too_long(spec, &named, (before, &held), ceiling.lifetime)));
        }
        Ok(())
    }

    /// Refuses, if the earlier one can be renewed and so must be named.
    async fn named(&self, earlier: &Exception, renewals: usize, now: Timestamp) -> Result<(), DeskError> {
        let id = &earlier.id;
        match earlier.phase(now) {
            Phase::Suspended(reason) => {
                let mend = if reason == SuspendReason::AttestationLapsed { "attest it" } else { "clear that" };
                return Err(DeskError::Conflict(format!(
                    "`{id}` grants the same and is suspended: {mend} first and renew it, or revoke it"
                )));
            }
            Phase::Scheduled | Phase::Active | Phase::Ended(Ending::Expired | Ending::Exhausted | Ending::Finished) => {
            }
            Phase::PendingApproval | Phase::Ended(_) => return Ok(()),
        }
        if self.parts.ledger().renewed_by(id, id).is_some() {
            return Ok(());
        }
        let (mut next, mut count) = (earlier.spec.supersedes.clone(), 1);
        while let Some(before) = next.take().filter(|_| count <= renewals) {
            count += 1;
            next = self.parts.read(&before).await?.spec.supersedes.clone();
        }
        if count > renewals {
            return Ok(());
        }
        let message = format!("this goes on with `{id}`, which grants the same: name it under `supersedes`");
        Err(DeskError::Conflict(message))
    }
}

/// Whether both open a tool of a server to an agent, by the same owner.
fn same(spec: &Spec, earlier: &Spec) -> bool {
    spec.owner.human == earlier.owner.human
        && spec.access.server == earlier.access.server
        && spec.access.tools.keys().any(|tool| earlier.access.tools.contains_key(tool))
        && !spec.subject.agents.is_disjoint(&earlier.subject.agents)
}

/// Whether it lasts beyond the end of the earlier one, and begins less than the length of one window after it.
fn goes_on(spec: &Spec, over: Timestamp, window: TimeDelta) -> bool {
    spec.window.not_after > over && back(spec.window.not_before, window) < over
}

fn end_of(earlier: &Exception) -> Timestamp {
    let end = earlier.spec.window.not_after;
    if let State::Ended { at, .. } = &earlier.state { end.min(*at) } else { end }
}

fn back(from: Timestamp, by: TimeDelta) -> Timestamp {
    from.checked_sub_signed(by).unwrap_or(Timestamp::MIN_UTC)
}

/// How long at least one of the windows is open.
fn together(mut windows: Vec<Window>) -> TimeDelta {
    windows.sort_by_key(|window| window.not_before);
    let (mut sum, mut reached) = (TimeDelta::zero(), Timestamp::MIN_UTC);
    for window in windows {
        let from = window.not_before.max(reached);
        if window.not_after > from {
            sum = sum.checked_add(&window.not_after.signed_duration_since(from)).unwrap_or(TimeDelta::MAX);
            reached = window.not_after;
        }
    }
    sum
}

/// What was granted before, what is left of the time that the kind may last, and from when on all of it is free again.
fn too_long(spec: &Spec, named: &[String], (before, held): (TimeDelta, &[Window]), lifetime: TimeDelta) -> String {
    let within = span(lifetime + lifetime);
    let length = spec.window.not_after.signed_duration_since(spec.window.not_before);
    let last = held.iter().map(|window| window.not_after).filter(|end| *end < spec.window.not_after).max();
    let free = last.map(|last| back(later(last, lifetime + lifetime), length));
    let free = free.filter(|free| *free > spec.window.not_before);
    let free = free.map_or_else(String::new, |free| format!(", or begin no sooner than {}", free.format("%FT%TZ")));
    let left = lifetime.checked_sub(&before).filter(|left| *left > TimeDelta::zero()).map_or_else(
        || "nothing is left of it".to_owned(),
        |left| format!("{} are left of it: ask for no longer", span(left)),
    );
    format!(
        "{} granted the same tools before, and together they may be open for no longer than {} within {within}; \
         {left}{free}, or settle it by a role",
        named.join(", "),
        span(lifetime)
    )
}

fn span(length: TimeDelta) -> String {
    if length.num_days() > 1 {
        format!("{} days", length.num_days())
    } else if length.num_minutes() % 60 == 0 {
        format!("{} hours", length.num_hours())
    } else {
        format!("{} minutes", length.num_minutes())
    }
}
