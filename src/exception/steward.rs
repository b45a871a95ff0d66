//! What happens to an approved exception: attest, suspend, resume, revoke, finish, review, and what the clock brings.

use std::cmp::Reverse;

use super::{Change, Desk, DeskError, Ending, Event, Exception, Notice, Phase, State, parse, request::not, separation};
use crate::domain::{Document, Duty, ExceptionId, Person, Registry, SuspendReason, Timestamp};

/// Due exceptions that one [`Desk::tick`] looks at.
const BATCH: usize = 1_000;

impl Desk {
    /// The owner, or the backup, says that it is still needed.
    ///
    /// # Errors
    /// The person is neither, or it is not live.
    pub async fn attest(&self, id: &ExceptionId, by: &Person, reason: &str) -> Result<Exception, DeskError> {
        let turn = self.turn().await?;
        let exception = self.live(id).await?;
        let registry = self.parts.registry.load_full();
        if !separation::is_owner(&exception, &by.id, &registry) {
            return Err(DeskError::Forbidden(format!("`{}` is not the owner of `{id}` and cannot attest it", by.id)));
        }
        let change = self.change(vec![Event::Attested { by: by.id.clone() }], by, reason);
        self.append(turn, id, exception.version, change).await
    }

    /// A steward suspends it; the next decision sees that.
    ///
    /// # Errors
    /// The person may not, or it is not live.
    pub async fn suspend(&self, id: &ExceptionId, by: &Person, reason: &str) -> Result<Exception, DeskError> {
        let turn = self.turn().await?;
        let exception = self.live(id).await?;
        steward(&exception, by, &self.parts.registry.load())?;
        if exception.is_held_for(SuspendReason::Manual) {
            return Err(DeskError::Conflict(format!("`{id}` is suspended by a person already")));
        }
        let event = Event::Suspended { reason: SuspendReason::Manual, by: Some(by.id.clone()) };
        self.append(turn, id, exception.version, self.change(vec![event], by, reason)).await
    }

    /// A steward who does not benefit clears every suspension but the one for want of the owner's word. It never
    /// lengthens the window. What somebody else suspended, its owner cannot clear.
    ///
    /// # Errors
    /// The person may not, or there is nothing that this person can clear.
    pub async fn resume(&self, id: &ExceptionId, by: &Person, reason: &str) -> Result<Exception, DeskError> {
        let turn = self.turn().await?;
        let exception = self.live(id).await?;
        let registry = self.parts.registry.load_full();
        steward(&exception, by, &registry)?;
        if separation::is_beneficiary(&exception, &by.id, &registry) {
            return Err(DeskError::Forbidden(format!("`{}` benefits from `{id}` and cannot resume it", by.id)));
        }
        let State::Suspended { holds, .. } = &exception.state else {
            return Err(lapsed_or(&exception, self.parts.clock.now()));
        };
        let foreign = holds.get(&SuspendReason::Manual).is_some_and(|hold| hold.by.as_ref() != Some(&by.id));
        if foreign && separation::is_owner(&exception, &by.id, &registry) {
            let message = format!("somebody else suspended `{id}`, so its owner cannot resume it");
            return Err(DeskError::Forbidden(message));
        }
        let gone = !registry.may(&exception.spec.owner.human, Duty::Own);
        // What an old copy of the store may have revived is for those to judge who guard the whole.
        let guards = registry.may(&by.id, Duty::Security) || separation::may(&registry, by, Duty::Administer);
        let clear = |reason: &SuspendReason| match reason {
            // The return of the control clears this, and nobody else.
            SuspendReason::ControlUnhealthy => false,
            SuspendReason::AttestationLapsed | SuspendReason::MilestoneOverdue | SuspendReason::RemovalTrial => false,
            SuspendReason::OwnerIneligible => !gone,
            SuspendReason::StoreBehind => guards,
            SuspendReason::Drift => exception.foreign_rule(&registry).is_none(),
            SuspendReason::Manual => true,
        };
        let events: Vec<_> = holds
            .keys()
            .copied()
            .filter(clear)
            .map(|reason| Event::Resumed { reason, by: Some(by.id.clone()) })
            .collect();
        if events.is_empty() {
            let foreign =
                exception.foreign_rule(&registry).map(|why| DeskError::Conflict(format!("{why}: submit a new case")));
            return Err(foreign.unwrap_or_else(|| lapsed_or(&exception, self.parts.clock.now())));
        }
        self.append(turn, id, exception.version, self.change(events, by, reason)).await
    }

    /// A steward ends it for ever; calls in flight are to be cancelled. Calls that were paid for end, too, when its
    /// budget is spent since.
    ///
    /// # Errors
    /// The person may not, or it is over or was never approved.
    pub async fn revoke(&self, id: &ExceptionId, by: &Person, reason: &str) -> Result<Exception, DeskError> {
        let turn = self.turn().await?;
        let spent = self.parts.read(id).await.ok().filter(|exception| {
            let spent = matches!(exception.state, State::Ended { how: Ending::Exhausted, .. });
            spent && self.parts.clock.now() < exception.spec.window.not_after
        });
        let exception = match spent {
            Some(spent) => spent,
            None => self.live(id).await?,
        };
        steward(&exception, by, &self.parts.registry.load())?;
        let change = self.change(vec![Event::Revoked { by: by.id.clone() }], by, reason);
        self.append(turn, id, exception.version, change).await
    }

    /// The owner, or the backup, reports that a milestone is met; that ends the suspension for it.
    ///
    /// # Errors
    /// The person is neither, it is not live, it has no such milestone, or that was reported already.
    pub async fn milestone(
        &self,
        id: &ExceptionId,
        by: &Person,
        name: &str,
        reason: &str,
    ) -> Result<Exception, DeskError> {
        let turn = self.turn().await?;
        let exception = self.live(id).await?;
        if !separation::is_owner(&exception, &by.id, &self.parts.registry.load()) {
            return Err(DeskError::Forbidden(format!(
                "`{}` is not the owner of `{id}` and cannot report for it",
                by.id
            )));
        }
        let mut milestones = exception.spec.exit.iter().flat_map(|exit| &exit.milestones);
        if !milestones.any(|step| step.name == name) {
            return Err(DeskError::Conflict(format!("`{id}` has no milestone `{name}`")));
        }
        if exception.met.contains(name) {
            return Err(DeskError::Conflict(format!("the milestone `{name}` of `{id}` was reported already")));
        }
        let mut events = vec![Event::MilestoneMet { name: name.to_owned(), by: by.id.clone() }];
        let met = exception.met.iter().cloned().chain([name.to_owned()]).collect();
        let now = self.parts.clock.now();
        if exception.is_held_for(SuspendReason::MilestoneOverdue)
            && exception.spec.overdue(&met).is_none_or(|due| now < due)
        {
            events.push(Event::Resumed { reason: SuspendReason::MilestoneOverdue, by: Some(by.id.clone()) });
        }
        self.append(turn, id, exception.version, self.change(events, by, reason)).await
    }

    /// Somebody who had no part in it reviews an ended break-glass exception; until then its owner gets no other.
    ///
    /// # Errors
    /// The person may not, it is not over, or it needs no review.
    pub async fn review(&self, id: &ExceptionId, by: &Person, findings: &str) -> Result<Exception, DeskError> {
        let turn = self.turn().await?;
        let exception = self.parts.read(id).await?;
        separation::reviewer(&exception, by, &self.parts.registry.load()).map_err(DeskError::Forbidden)?;
        if !exception.is_review_open() {
            return Err(DeskError::Conflict(format!("`{id}` waits for no review")));
        }
        if exception.is_live(self.parts.clock.now()) {
            return Err(DeskError::Conflict(format!("`{id}` is not over yet: review it after its end")));
        }
        if findings.trim().is_empty() {
            return Err(DeskError::Conflict("say what the review found".to_owned()));
        }
        let change = self.change(vec![Event::Reviewed { by: by.id.clone() }], by, findings);
        self.append(turn, id, exception.version, change).await
    }

    /// Holds a file against what was approved under its id: a file that differs suspends the exception (T082).
    /// Says whether it did so now.
    ///
    /// # Errors
    /// The store cannot be used.
    pub async fn compare(&self, id: &ExceptionId, document: &Document) -> Result<bool, DeskError> {
        let exception = match self.live(id).await {
            Ok(exception) => exception,
            Err(DeskError::Unknown(_) | DeskError::Conflict(_)) => return Ok(false),
            Err(error) => return Err(error),
        };
        let same = parse(document).ok().and_then(|mut spec| {
            spec.requester.get_or_insert_with(|| exception.requester.clone());
            spec.digest().ok()
        }) == Some(exception.digest);
        if same || exception.is_held_for(SuspendReason::Drift) {
            return Ok(false);
        }
        let detail = format!("the file {} is not what was approved", document.file);
        self.hold(id, SuspendReason::Drift, &detail).await
    }

    /// The gateway suspends it for this reason. Says whether that is new.
    ///
    /// # Errors
    /// The store cannot be used, or it is not live.
    pub async fn hold(&self, id: &ExceptionId, reason: SuspendReason, detail: &str) -> Result<bool, DeskError> {
        let turn = self.turn().await?;
        let exception = self.live(id).await?;
        if exception.is_held_for(reason) {
            return Ok(false);
        }
        let change = self.own(vec![Event::Suspended { reason, by: None }], detail);
        self.append(turn, id, exception.version, change).await.map(|_| true)
    }

    /// The gateway clears its own suspension for this reason; one by a person or for want of the owner's word stays.
    ///
    /// # Errors
    /// The store cannot be used, or it is not live.
    pub async fn release(&self, id: &ExceptionId, reason: SuspendReason, detail: &str) -> Result<bool, DeskError> {
        let turn = self.turn().await?;
        let exception = self.live(id).await?;
        if !exception.is_held_for(reason)
            || matches!(
                reason,
                SuspendReason::Manual | SuspendReason::AttestationLapsed | SuspendReason::MilestoneOverdue
            )
        {
            return Ok(false);
        }
        let change = self.own(vec![Event::Resumed { reason, by: None }], detail);
        self.append(turn, id, exception.version, change).await.map(|_| true)
    }

    /// Notes that its budget is spent, if the store says so. Says whether that is new.
    ///
    /// # Errors
    /// The store cannot be used, or it is not live.
    pub async fn exhausted(&self, id: &ExceptionId) -> Result<bool, DeskError> {
        let turn = self.turn().await?;
        let exception = self.live(id).await?;
        if self.parts.store.uses(id).await? < exception.spec.budget.calls {
            return Ok(false);
        }
        self.append(turn, id, exception.version, self.own(vec![Event::Exhausted], "its budget is spent"))
            .await
            .map(|_| true)
    }

    /// Notes what the clock brought since the last time, so that it stands in the evidence; decisions do not wait for
    /// this. Gives the moment of the next thing.
    ///
    /// # Errors
    /// The store cannot be used; what was not noted is due again.
    pub async fn tick(&self) -> Result<Option<Timestamp>, DeskError> {
        let now = self.parts.clock.now();
        for _ in 0..BATCH {
            let Some((moment, id)) = self.take_due(now) else { break };
            match self.note(&id).await {
                Ok(()) | Err(DeskError::Damaged { .. }) => {}
                Err(error) => {
                    self.parts.ledger().due.push(Reverse((moment, id)));
                    return Err(error);
                }
            }
        }
        Ok(self.parts.ledger().due.peek().map(|Reverse((moment, _))| *moment))
    }

    fn take_due(&self, now: Timestamp) -> Option<(Timestamp, ExceptionId)> {
        let mut ledger = self.parts.ledger();
        ledger.due.peek().filter(|Reverse((moment, _))| *moment <= now)?;
        ledger.due.pop().map(|Reverse(due)| due)
    }

    async fn note(&self, id: &ExceptionId) -> Result<(), DeskError> {
        let turn = self.turn().await?;
        let exception = self.parts.read(id).await?;
        let now = self.parts.clock.now();
        let mut events = Vec::new();
        match (&exception.state, exception.phase(now)) {
            (State::Pending { .. }, Phase::Ended(_)) => events.push(Event::RequestExpired),
            (State::Ended { how: Ending::Exhausted, .. }, _) if now >= exception.spec.window.not_after => {
                self.parts.index.remove(id);
            }
            (State::Approved(_) | State::Suspended { .. }, Phase::Ended(_)) => events.push(Event::Expired),
            (State::Approved(_), Phase::Active) if !exception.activated => events.push(Event::Activated),
            (State::Approved(_) | State::Suspended { .. }, _) => {
                let overdue = [
                    (SuspendReason::AttestationLapsed, exception.lapses()),
                    (SuspendReason::MilestoneOverdue, exception.milestone_due()),
                ];
                let late = |(reason, due): &(SuspendReason, Option<Timestamp>)| {
                    due.is_some_and(|due| now >= due) && !exception.is_held_for(*reason)
                };
                events
                    .extend(overdue.into_iter().filter(late).map(|(reason, _)| Event::Suspended { reason, by: None }));
                if exception.trial.as_ref().is_some_and(|trial| now >= trial.until) {
                    events.push(Event::TrialEnded { by: None });
                }
            }
            (State::Pending { .. } | State::Ended { .. }, _) => {}
        }
        events.extend(exception.reminders(now));
        if events.is_empty() {
            let due = exception.next_due(now).filter(|due| *due > now);
            self.parts.ledger().due.extend(due.map(|due| Reverse((due, id.clone()))));
            drop(turn);
            return self.supersede(&exception, now).await;
        }
        let due: Vec<_> = events
            .iter()
            .filter_map(|event| if let Event::Reminded { of, due, .. } = event { Some((*of, *due)) } else { None })
            .collect();
        let why = events.first().map_or("", brought);
        self.append(turn, id, exception.version, self.own(events, why)).await?;
        self.supersede(&exception, now).await?;
        for (deadline, at) in due {
            let owner = exception.spec.owner.human.clone();
            self.tell(&Notice::Due { exception: id.clone(), owner, deadline, at });
        }
        Ok(())
    }

    /// Ends what this one renews, once this one has begun: two grants of the same would be two budgets.
    async fn supersede(&self, renewal: &Exception, now: Timestamp) -> Result<(), DeskError> {
        let begun = renewal.is_live(now) && renewal.spec.window.not_before <= now;
        let Some(earlier) = renewal.spec.supersedes.as_ref().filter(|_| begun) else { return Ok(()) };
        let turn = self.turn().await?;
        let Ok(exception) = self.live(earlier).await else { return Ok(()) };
        let detail = format!("its renewal `{}` has begun", renewal.id);
        let change = self.own(vec![Event::Superseded { by: renewal.id.clone() }], &detail);
        self.append(turn, earlier, exception.version, change).await.map(drop)
    }

    /// Events by the gateway itself at this moment.
    pub(super) fn own(&self, events: Vec<Event>, detail: &str) -> Change {
        Change { events, at: self.parts.clock.now(), actor: "postern".to_owned(), reason: detail.to_owned() }
    }

    pub(super) async fn live(&self, id: &ExceptionId) -> Result<Exception, DeskError> {
        let exception = self.parts.read(id).await?;
        match exception.phase(self.parts.clock.now()) {
            Phase::Scheduled | Phase::Active | Phase::Suspended(_) => Ok(exception),
            Phase::Ended(Ending::Expired) => Err(DeskError::Conflict(format!("`{id}` is over: its window has ended"))),
            Phase::PendingApproval | Phase::Ended(_) => Err(not(&exception, "approved")),
        }
    }
}

pub(super) fn steward(exception: &Exception, by: &Person, registry: &Registry) -> Result<(), DeskError> {
    if separation::is_steward(exception, by, registry) {
        return Ok(());
    }
    let id = &exception.id;
    let message = format!(
        "`{}` is not the owner of `{id}` and has none of the duties `approve`, `security`, `administer`",
        by.id
    );
    Err(DeskError::Forbidden(message))
}

/// What the clock brought, in words.
fn brought(event: &Event) -> &'static str {
    match event.name() {
        "request_expired" => "nobody decided in time",
        "expired" => "its window is over",
        "activated" => "its window has begun",
        "suspended" => "the owner's word is overdue",
        "reminded" => "a deadline comes near",
        _ => "",
    }
}

/// Why there is nothing to resume.
fn lapsed_or(exception: &Exception, now: Timestamp) -> DeskError {
    let id = &exception.id;
    if exception.lapses().is_some_and(|lapse| now >= lapse) {
        return DeskError::Conflict(format!(
            "the owner's word on `{id}` is overdue: only its owner can mend that, by attesting it"
        ));
    }
    if exception.milestone_due().is_some_and(|due| now >= due) {
        return DeskError::Conflict(format!(
            "a milestone of `{id}` is overdue: only its owner can mend that, by reporting it as met"
        ));
    }
    not(exception, "suspended")
}
