//! From the request to the decision of people: submit, approve, reject, withdraw.

use aws_lc_rs::rand;

use super::{
    Approval, Ceiling, Desk, DeskError, Ending, Event, Exception, Phase, Spec, State, StoreError, TestResult,
    approval::{Vote, may_approve, may_approve_kind},
    ceiling::{LIVE_PER_AGENT, Review, later},
    parse, separation, trial,
};
use crate::domain::{
    AgentId, Assurance, Digest, Document, Duty, ExceptionId, Findings, Person, Registry, SuspendReason, Timestamp,
};

impl Desk {
    /// From now on an approval takes such a sign-in. The first word counts.
    pub fn demand(&self, assurance: Assurance) {
        let _ = self.parts.assurance.set(assurance);
    }

    /// Submits a record; whoever submits is the requester. A changed record of the same id, while nobody has decided,
    /// is a new revision without approvals; what was decided can no longer be changed (T082).
    ///
    /// # Errors
    /// Faults of the record, a person without the duty `request`, or a cap that is reached.
    pub async fn submit(&self, document: &Document, by: &Person) -> Result<Exception, DeskError> {
        self.submit_analysed(document, by, None).await
    }

    /// The same, with what the analysis of the record found, for its approvers.
    ///
    /// # Errors
    /// As [`Desk::submit`].
    pub async fn submit_analysed(
        &self,
        document: &Document,
        by: &Person,
        analysis: Option<serde_json::Value>,
    ) -> Result<Exception, DeskError> {
        let mut spec = parse(document).map_err(DeskError::Invalid)?;
        let registry = self.parts.registry.load_full();
        if !separation::may(&registry, by, Duty::Request) {
            return Err(DeskError::Forbidden(format!("`{}` has not the duty `request`", by.id)));
        }
        let turn = self.turn().await?;
        let now = self.parts.clock.now();
        let mut findings = separation::people(document, &spec, &by.id, &registry);
        if spec.requester.as_ref().is_some_and(|named| *named != by.id) {
            let message = format!("whoever submits is the requester: remove it, or write `{}`", by.id);
            document.find(&mut findings, "/requester", message);
        }
        findings.extend(self.within_pilot(document, &spec).await?);
        if spec.window.not_after <= now {
            document.find(&mut findings, "/not_after", "it is over already: end it later");
        }
        findings.or(()).map_err(DeskError::Invalid)?;
        spec.requester = Some(by.id.clone());
        let digest = digest(&spec)?;
        let earlier = match self.parts.read(&spec.id).await {
            Ok(earlier) => Some(earlier),
            Err(DeskError::Unknown(_)) => None,
            Err(error) => return Err(error),
        };
        let (revision, at) = earlier.as_ref().map_or(Ok((1, 0)), |earlier| next_revision(earlier, by, digest, now))?;
        self.admissible(&spec, now).await?;
        let id = spec.id.clone();
        let mut events = vec![Event::Submitted { revision, spec: Box::new(spec), digest, by: by.id.clone() }];
        events.extend(analysis.and_then(|analysis| {
            Some(Event::Analysed { digest: trial::digest(&analysis)?, analysis: Box::new(analysis) })
        }));
        self.append(turn, &id, at, self.change(events, by, "")).await
    }

    /// One person's yes to exactly this digest. With enough of them it is approved, and active from `not_before` on.
    ///
    /// # Errors
    /// The sign-in is too weak, the person may not approve it or did already, the digest is not the present one, the request is over, or a cap
    /// is reached.
    pub async fn approve(&self, id: &ExceptionId, by: &Person, digest: Digest) -> Result<Exception, DeskError> {
        self.strong(by)?;
        let turn = self.turn().await?;
        let exception = self.pending(id).await?;
        // Read inside the turn: whoever lost the duty before this moment does not count (T081).
        let registry = self.parts.registry.load_full();
        separation::approver(&exception, &by.id, &registry).map_err(DeskError::Forbidden)?;
        if digest != exception.digest {
            let message =
                format!("the record is now {} (revision {}): read it again", exception.digest, exception.revision);
            return Err(DeskError::Conflict(message));
        }
        let State::Pending { approvals, .. } = &exception.state else { return Err(not(&exception, "pending")) };
        if approvals.iter().any(|approval| approval.by == by.id) {
            return Err(DeskError::Conflict(format!("`{}` approved this revision already", by.id)));
        }
        let approval = self.signed(&exception, by, &registry)?;
        let votes = approvals.iter().chain([&approval]).filter_map(|one| Vote::now(&one.by, &registry));
        let enough = exception.spec.quorum().suffices(votes);
        let mut events = vec![Event::Approved { approval: approval.clone() }];
        if enough {
            self.still_stands(&exception, &registry).await?;
            self.admissible(&exception.spec, self.parts.clock.now()).await?;
            events.push(Event::Scheduled);
        }
        self.append(turn, id, exception.version, self.change(events, by, "")).await
    }

    /// One person's no, which ends the request.
    ///
    /// # Errors
    /// The person may not approve it either, or the request is over.
    pub async fn reject(&self, id: &ExceptionId, by: &Person, reason: &str) -> Result<Exception, DeskError> {
        let turn = self.turn().await?;
        let exception = self.pending(id).await?;
        let registry = self.parts.registry.load_full();
        let may = may_approve_kind(&registry, &by.id, exception.spec.kind);
        if !may && !separation::may(&registry, by, Duty::Administer) {
            return Err(DeskError::Forbidden(format!(
                "`{}` has none of the duties `approve`, `security`, `administer`",
                by.id
            )));
        }
        let change = self.change(vec![Event::Rejected { by: by.id.clone() }], by, reason);
        self.append(turn, id, exception.version, change).await
    }

    /// The requester takes it back, or the owner does.
    ///
    /// # Errors
    /// The person is neither, or the request is over.
    pub async fn withdraw(&self, id: &ExceptionId, by: &Person, reason: &str) -> Result<Exception, DeskError> {
        let turn = self.turn().await?;
        let exception = self.pending(id).await?;
        let registry = self.parts.registry.load_full();
        if exception.requester != by.id && !separation::is_owner(&exception, &by.id, &registry) {
            return Err(DeskError::Forbidden(format!("`{}` is neither requester nor owner of `{id}`", by.id)));
        }
        let change = self.change(vec![Event::Withdrawn { by: by.id.clone() }], by, reason);
        self.append(turn, id, exception.version, change).await
    }

    async fn pending(&self, id: &ExceptionId) -> Result<Exception, DeskError> {
        let exception = self.parts.read(id).await?;
        match exception.phase(self.parts.clock.now()) {
            Phase::PendingApproval => Ok(exception),
            Phase::Scheduled | Phase::Active | Phase::Suspended(_) | Phase::Ended(_) => Err(not(&exception, "pending")),
        }
    }

    fn signed(&self, exception: &Exception, by: &Person, registry: &Registry) -> Result<Approval, DeskError> {
        let unsigned = |what: &str| StoreError::Unavailable(what.to_owned());
        let mut nonce = [0; 16];
        rand::fill(&mut nonce).map_err(|_| unsigned("the source of random bits does not answer"))?;
        let approval = Approval {
            exception: exception.id.clone(),
            revision: exception.revision,
            digest: exception.digest,
            by: by.id.clone(),
            as_security: registry.may(&by.id, Duty::Security),
            as_approver: may_approve(registry, &by.id),
            as_vendor_risk: registry.may(&by.id, Duty::VendorRisk),
            methods: by.sign_in.iter().flat_map(|sign_in| sign_in.methods.iter().cloned()).collect(),
            at: self.parts.clock.now(),
            nonce: format!("{:032x}", u128::from_be_bytes(nonce)),
            signature: String::new(),
        };
        Ok(approval.signed(&*self.parts.signer).map_err(|error| unsigned(&error.to_string()))?)
    }

    /// Whether the people and agents that the record names still are what they were at submission.
    async fn still_stands(&self, exception: &Exception, registry: &Registry) -> Result<(), DeskError> {
        let record = Document::of_value(serde_json::to_value(&*exception.spec).unwrap_or_default());
        let mut findings = separation::people(&record, &exception.spec, &exception.requester, registry);
        findings.extend(self.within_pilot(&record, &exception.spec).await?);
        findings.or(()).map_err(DeskError::Invalid)
    }

    /// The caps: live exceptions of each agent, open reviews of the owner, and the chain of renewals (I2, T089, I18).
    async fn admissible(&self, spec: &Spec, now: Timestamp) -> Result<(), DeskError> {
        let full = |agent: &&AgentId| self.parts.index.live_of(agent, now) >= LIVE_PER_AGENT;
        if let Some(agent) = spec.subject.agents.iter().find(full) {
            let message = format!("`{agent}` has {LIVE_PER_AGENT} live exceptions, which is the most: end one first");
            return Err(DeskError::Conflict(message));
        }
        if let Some(incident) = spec.incident.as_ref().filter(|incident| self.parts.ledger().is_closed(incident)) {
            return Err(DeskError::Conflict(format!("the incident `{incident}` is closed: name one that is open")));
        }
        if Ceiling::of(spec.kind).review == Review::Every {
            let ledger = self.parts.ledger();
            if let Some(open) = ledger.open_review(&spec.owner.human, &spec.id) {
                let message =
                    format!("the break-glass exception `{open}` of this owner is not reviewed yet: review it first");
                return Err(DeskError::Conflict(message));
            }
        }
        self.room(spec)?;
        self.not_again(spec, now).await?;
        match &spec.supersedes {
            Some(earlier) => self.renewable(spec, earlier, now).await,
            None => Ok(()),
        }
    }

    async fn renewable(&self, spec: &Spec, earlier: &ExceptionId, now: Timestamp) -> Result<(), DeskError> {
        let refuse = |message: String| Err(DeskError::Conflict(message));
        if let Some(other) = self.parts.ledger().renewed_by(earlier, &spec.id) {
            return refuse(format!("`{other}` renews `{earlier}` already: renew that one, or withdraw it"));
        }
        let ceiling = Ceiling::of(spec.kind);
        let mut lifetime = length(spec);
        let mut next = Some(earlier.clone());
        let mut renewals = 0;
        while let Some(id) = next {
            renewals += 1;
            if renewals > ceiling.renewals {
                return refuse(format!("this kind is renewed at most {} times: submit a new case", ceiling.renewals));
            }
            let exception = self.parts.read(&id).await?;
            if renewals == 1
                && let Err(why) = may_renew(spec, &exception, now)
            {
                return refuse(why);
            }
            lifetime = lifetime.checked_add(&length(&exception.spec)).unwrap_or(chrono::TimeDelta::MAX);
            next = exception.spec.supersedes.clone();
        }
        if lifetime > ceiling.lifetime {
            let days = ceiling.lifetime.num_days();
            return refuse(format!("with its renewals this kind lasts at most {days} days: end it earlier"));
        }
        Ok(())
    }
}

/// The revision that a submission becomes, and the version that it expects.
fn next_revision(earlier: &Exception, by: &Person, digest: Digest, now: Timestamp) -> Result<(u32, u64), DeskError> {
    let refuse = |message: String| Err(DeskError::Conflict(message));
    let id = &earlier.id;
    match earlier.phase(now) {
        Phase::PendingApproval if earlier.requester != by.id => {
            Err(DeskError::Forbidden(format!("`{id}` is a request of another person: take an id of your own")))
        }
        Phase::PendingApproval if earlier.digest == digest => {
            refuse(format!("`{id}` is submitted already, unchanged, as revision {}", earlier.revision))
        }
        Phase::PendingApproval => Ok((earlier.revision.saturating_add(1), earlier.version)),
        Phase::Scheduled | Phase::Active | Phase::Suspended(_) => {
            refuse(format!("`{id}` is approved and cannot be changed: submit a record with an id of its own"))
        }
        Phase::Ended(how) => refuse(format!("`{id}` is {} and its id is never used again: take another", how.as_str())),
    }
}

/// Whether the new one can renew this one: same kind and server, and not ended by people or for want of a word.
fn may_renew(spec: &Spec, earlier: &Exception, now: Timestamp) -> Result<(), String> {
    let id = &earlier.id;
    if earlier.spec.kind != spec.kind || earlier.spec.access.server != spec.access.server {
        return Err(format!("`{id}` is of another kind or server, so this is no renewal of it"));
    }
    match earlier.phase(now) {
        Phase::Suspended(SuspendReason::AttestationLapsed) => {
            Err(format!("the owner's word on `{id}` is overdue: attest it first"))
        }
        Phase::Suspended(SuspendReason::MilestoneOverdue) => {
            Err(format!("a milestone of `{id}` is overdue: its owner reports it as met first"))
        }
        Phase::Suspended(_) if earlier.milestone_due().is_some_and(|due| due <= now) => {
            Err(format!("`{id}` is suspended and a milestone of it is overdue: clear both first"))
        }
        Phase::Suspended(_) => Err(format!("`{id}` is suspended: clear that first")),
        Phase::Ended(_) if earlier.milestone_due().is_some_and(|due| due <= ended(earlier)) => {
            Err(format!("`{id}` ended with an overdue milestone and cannot be renewed: submit a new case"))
        }
        Phase::Ended(Ending::Expired)
            if earlier.lapses().is_some_and(|lapse| lapse < earlier.spec.window.not_after) =>
        {
            Err(format!("`{id}` ended without its owner's word and cannot be renewed: submit a new case"))
        }
        Phase::Scheduled | Phase::Active | Phase::Ended(Ending::Expired | Ending::Exhausted | Ending::Finished) => {
            is_still_needed(earlier, now)
        }
        phase @ (Phase::PendingApproval | Phase::Ended(_)) => {
            Err(format!("`{id}` is {} and cannot be renewed", phase.as_str()))
        }
    }
}

/// A renewal needs a removal test that shows the need and is not older than the plan says, and the owner's word that is
/// not due again; for one that is over, both as of its end.
fn is_still_needed(earlier: &Exception, now: Timestamp) -> Result<(), String> {
    let (id, spec) = (&earlier.id, &earlier.spec);
    let moment = now.min(ended(earlier));
    let every = spec.removal.map_or(Ceiling::of(spec.kind).removal, |plan| plan.shadow_every.delta());
    let Some((test, at)) = &earlier.tested else {
        return Err(format!("nobody tried what breaks without `{id}`: run `postern removal report {id}` first"));
    };
    if later(*at, every) < moment {
        return Err(format!("the removal test of `{id}` is too old: run `postern removal report {id}` again"));
    }
    match test.result {
        TestResult::Needed => {}
        TestResult::Unneeded => {
            return Err(format!("nothing breaks without `{id}`, as its removal test of {at} shows: let it end"));
        }
        TestResult::Incomplete => {
            return Err(format!("the removal test of `{id}` could judge {} per cent only: repeat it", test.percent));
        }
    }
    let word = spec.attestation.zip(earlier.state.live());
    if word.is_some_and(|(attestation, live)| later(live.attested, attestation.every.delta()) < moment) {
        return Err(format!("the owner's word on `{id}` is due: attest it first"));
    }
    earlier.canary(now)
}

/// When it ended, or will.
fn ended(earlier: &Exception) -> Timestamp {
    let end = earlier.spec.window.not_after;
    if let State::Ended { at, .. } = &earlier.state { end.min(*at) } else { end }
}

fn length(spec: &Spec) -> chrono::TimeDelta {
    spec.window.not_after.signed_duration_since(spec.window.not_before)
}

fn digest(spec: &Spec) -> Result<Digest, DeskError> {
    let fault = |error: serde_json::Error| DeskError::Invalid(Findings::one("", 0, "", error.to_string()));
    spec.digest().map_err(fault)
}

/// The refusal of a step that needs another state.
pub(super) fn not(exception: &Exception, needed: &str) -> DeskError {
    DeskError::Conflict(format!("`{}` is {}, not {needed}", exception.id, exception.state.name()))
}
