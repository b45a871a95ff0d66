//! Pilots at the desk: submit, look, end; and what a pilot demands of the exceptions that name it.

use std::collections::BTreeSet;

use super::{
    Change, Desk, DeskError, Event, Exception, Phase, Pilot, PilotEvent, PilotPhase, Spec, StoreError, StoredPilot,
    approval::may_approve, pilot_form::parse_pilot, separation,
};
use crate::domain::{Document, Duty, ExceptionId, Findings, Person, PilotId, Registry, Timestamp};

/// Pilots in all; their histories are read as a whole.
const PILOTS: usize = 1_000;

/// A pilot that was ended, with the exceptions that were revoked in the same act.
#[derive(Debug)]
pub struct EndedPilot {
    /// The pilot.
    pub pilot: Pilot,
    /// Its exceptions that were live; calls under way of these are to be cut.
    pub revoked: BTreeSet<ExceptionId>,
}

impl Desk {
    /// Submits a pilot; whoever submits is the requester. A changed one of the same id is a new revision as long as
    /// no exception that names it waits or is live.
    ///
    /// # Errors
    /// Faults of the file, a person without the duty `request`, or a pilot that can no longer be changed.
    pub async fn submit_pilot(&self, document: &Document, by: &Person) -> Result<Pilot, DeskError> {
        let mut spec = parse_pilot(document).map_err(DeskError::Invalid)?;
        let registry = self.parts.registry.load_full();
        if !separation::may(&registry, by, Duty::Request) {
            return Err(DeskError::Forbidden(format!("`{}` has not the duty `request`", by.id)));
        }
        let turn = self.turn().await?;
        let now = self.parts.clock.now();
        let mut findings = people(document, &spec, by, &registry);
        if spec.window.not_after <= now {
            document.find(&mut findings, "/not_after", "it is over already: end it later");
        }
        findings.or(()).map_err(DeskError::Invalid)?;
        spec.requester = Some(by.id.clone());
        let fault = |error: serde_json::Error| DeskError::Invalid(Findings::one("", 0, "", error.to_string()));
        let digest = spec.digest().map_err(fault)?;
        let (id, known) = (spec.id.clone(), self.pilots().await?);
        let revision = match known.iter().find(|pilot| pilot.id == id) {
            None if known.len() >= PILOTS => {
                return Err(DeskError::Conflict(format!("there are {PILOTS} pilots, which is the most")));
            }
            None => (1, 0),
            Some(earlier) => self.next(earlier, by, digest, now).await?,
        };
        let event = PilotEvent::Submitted { revision: revision.0, spec: Box::new(spec), digest, by: by.id.clone() };
        let stored = self.stored((&id, revision.1), by, "", event);
        self.append_pilot(turn, stored, Vec::new()).await
    }

    /// The revision that a submission becomes, and the version that it stands on.
    async fn next(
        &self,
        earlier: &Pilot,
        by: &Person,
        digest: crate::domain::Digest,
        now: Timestamp,
    ) -> Result<(u32, u64), DeskError> {
        let id = &earlier.id;
        if earlier.phase(now) == PilotPhase::Ended {
            return Err(DeskError::Conflict(format!("`{id}` is over and its id is never used again: take another")));
        }
        if earlier.requester != by.id {
            let message = format!("`{id}` is a pilot of another person: take an id of your own");
            return Err(DeskError::Forbidden(message));
        }
        if earlier.digest == digest {
            let message = format!("`{id}` is submitted already, unchanged, as revision {}", earlier.revision);
            return Err(DeskError::Conflict(message));
        }
        let hangs = |exception: &&Exception| exception.is_live(now) || exception.phase(now) == Phase::PendingApproval;
        if let Some(exception) = self.exceptions_of(id).await?.iter().find(hangs) {
            let message =
                format!("`{}` hangs on `{id}`, so it cannot be changed: end it, and take another", exception.id);
            return Err(DeskError::Conflict(message));
        }
        Ok((earlier.revision.saturating_add(1), earlier.version))
    }

    /// All pilots, in the order of their ids. One whose history was changed behind our back is an error.
    ///
    /// # Errors
    /// The store cannot be read, or a history is not one that we wrote.
    pub async fn pilots(&self) -> Result<Vec<Pilot>, DeskError> {
        let mut histories = self.parts.store.pilots().await?;
        histories.sort_by(|a, b| (&a.pilot, a.version).cmp(&(&b.pilot, b.version)));
        let mut all = Vec::new();
        for history in histories.chunk_by(|a, b| a.pilot == b.pilot) {
            let damaged = |error| {
                let name = history.first().map(|stored| stored.pilot.to_string()).unwrap_or_default();
                DeskError::Conflict(format!("the pilot `{name}` is not what was submitted: {error}"))
            };
            all.push(Pilot::fold(history).map_err(damaged)?);
        }
        Ok(all)
    }

    /// One pilot.
    ///
    /// # Errors
    /// There is none of that id, or the store cannot be read.
    pub async fn pilot(&self, id: &PilotId) -> Result<Pilot, DeskError> {
        self.find_pilot(id).await?.ok_or_else(|| DeskError::UnknownPilot(id.clone()))
    }

    async fn find_pilot(&self, id: &PilotId) -> Result<Option<Pilot>, DeskError> {
        Ok(self.pilots().await?.into_iter().find(|pilot| pilot.id == *id))
    }

    /// The exceptions that name this pilot, ended ones included, in the order of their ids.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn exceptions_of(&self, pilot: &PilotId) -> Result<Vec<Exception>, DeskError> {
        let ids = self.parts.ledger().of_pilot(pilot);
        let mut all = Vec::with_capacity(ids.len());
        for id in &ids {
            match self.parts.read(id).await {
                Ok(exception) if exception.spec.pilot.as_ref() == Some(pilot) => all.push(exception),
                // A damaged one is not used anyway; a later revision may name another pilot.
                Ok(_) | Err(DeskError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    /// Ends a pilot for ever, and revokes all of its live exceptions in the same act: all of them, or none.
    ///
    /// # Errors
    /// The person may not revoke one of them, or it is over already.
    pub async fn end_pilot(&self, id: &PilotId, by: &Person, reason: &str) -> Result<EndedPilot, DeskError> {
        let turn = self.turn().await?;
        let (pilot, registry, now) = (self.pilot(id).await?, self.parts.registry.load_full(), self.parts.clock.now());
        if !steward(&pilot, by, &registry) {
            let message = format!(
                "`{}` is not the owner of `{id}` and has none of the duties `approve`, `security`, `administer`",
                by.id
            );
            return Err(DeskError::Forbidden(message));
        }
        if pilot.ended.is_some() {
            return Err(DeskError::Conflict(format!("`{id}` is over already")));
        }
        let mut changes = Vec::new();
        for exception in self.exceptions_of(id).await?.iter().filter(|exception| exception.is_live(now)) {
            if !separation::is_steward(exception, by, &registry) {
                let message = format!("`{}` may not revoke `{}`, so nothing was ended", by.id, exception.id);
                return Err(DeskError::Forbidden(message));
            }
            let why = format!("the pilot {id} was ended: {reason}");
            let change = self.change(vec![Event::Revoked { by: by.id.clone() }], by, &why);
            changes.push((exception.id.clone(), exception.version, change));
        }
        let revoked: BTreeSet<_> = changes.iter().map(|(id, _, _)| id.clone()).collect();
        let event = PilotEvent::Ended { by: by.id.clone(), revoked: revoked.clone() };
        let stored = self.stored((id, pilot.version), by, reason, event);
        let pilot = self.append_pilot(turn, stored, changes).await?;
        Ok(EndedPilot { pilot, revoked })
    }

    /// In what an exception goes beyond the pilot that it names; an unknown or ended pilot holds none.
    pub(super) async fn within_pilot(&self, document: &Document, spec: &Spec) -> Result<Findings, DeskError> {
        let mut findings = Findings::default();
        let Some(id) = &spec.pilot else { return Ok(findings) };
        let now = self.parts.clock.now();
        match self.find_pilot(id).await? {
            None => {
                let message = format!("there is no pilot `{id}`: submit it first, with `postern pilot submit`");
                document.find(&mut findings, "/pilot", message);
            }
            Some(pilot) if pilot.phase(now) == PilotPhase::Ended => {
                document.find(&mut findings, "/pilot", format!("the pilot `{id}` is over: name another"));
            }
            Some(pilot) => {
                for (path, message) in pilot.spec.exceeded_by(spec) {
                    document.find(&mut findings, path, message);
                }
            }
        }
        Ok(findings)
    }

    fn stored(&self, (id, at): (&PilotId, u64), by: &Person, reason: &str, event: PilotEvent) -> StoredPilot {
        StoredPilot {
            pilot: id.clone(),
            version: at.saturating_add(1),
            at: self.parts.clock.now(),
            actor: by.id.to_string(),
            reason: reason.to_owned(),
            event,
        }
    }

    /// Appends in a task of its own, so that a caller who goes away cannot leave the index behind the store.
    async fn append_pilot(
        &self,
        turn: super::desk::Turn,
        event: StoredPilot,
        changes: Vec<(ExceptionId, u64, Change)>,
    ) -> Result<Pilot, DeskError> {
        let (desk, id) = (self.clone(), event.pilot.clone());
        let task = tokio::spawn(async move {
            let _turn = turn;
            let touched: Vec<_> = changes.iter().map(|(id, _, _)| id.clone()).collect();
            let appended = desk.parts.store.append_pilot(event, changes).await;
            let mut failed = None;
            for exception in &touched {
                // Read even after a failure: the append may have been kept after all.
                failed = desk.parts.reread(exception).await.err().or(failed);
            }
            appended?;
            failed.map_or(Ok(()), Err)
        });
        match task.await {
            Ok(result) => result?,
            Err(_) => return Err(StoreError::Unavailable("the change was broken off".to_owned()).into()),
        }
        self.pilot(&id).await
    }
}

/// Whether the person may end it: its owner or backup, or whoever approves, does security or administers.
fn steward(pilot: &Pilot, by: &Person, registry: &Registry) -> bool {
    let owner = &pilot.spec.owner;
    let owns = owner.human == by.id || owner.backup.as_ref() == Some(&by.id);
    (owns && registry.may(&by.id, Duty::Own))
        || may_approve(registry, &by.id)
        || separation::may(registry, by, Duty::Administer)
}

/// Faults of the people and agents that a pilot names.
fn people(document: &Document, spec: &super::PilotSpec, by: &Person, registry: &Registry) -> Findings {
    let mut findings = Findings::default();
    let mut find = |path: &str, message: String| document.find(&mut findings, path, message);
    if spec.requester.as_ref().is_some_and(|named| *named != by.id) {
        find("/requester", format!("whoever submits is the requester: remove it, or write `{}`", by.id));
    }
    if spec.owner.human == by.id || spec.owner.backup.as_ref() == Some(&by.id) {
        find("/owner", format!("`{}` asks for it and cannot own it as well: let another do it", by.id));
    }
    if spec.owner.backup.as_ref() == Some(&spec.owner.human) {
        find("/owner/backup", "the owner cannot be the backup as well: name another, or nobody".to_owned());
    }
    for (path, person) in [("/owner/human", Some(&spec.owner.human)), ("/owner/backup", spec.owner.backup.as_ref())] {
        if let Some(person) = person.filter(|person| !registry.may(person, Duty::Own)) {
            find(path, format!("`{person}` is not an active person with the duty `own` in people.yaml"));
        }
    }
    let named = document.value.pointer("/cohort").and_then(serde_json::Value::as_array);
    for agent in spec.cohort.iter().filter(|agent| !registry.agents.contains_key(*agent)) {
        let at = named.and_then(|all| all.iter().position(|one| one.as_str() == Some(agent.as_str())));
        let path = at.map_or_else(|| "/cohort".to_owned(), |at| format!("/cohort/{at}"));
        find(&path, format!("agents.yaml does not know `{agent}`: add it there, or name another"));
    }
    findings
}
