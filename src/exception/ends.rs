//! Ends that come from outside: an event that exceptions end on, and an incident that is closed.

use super::{Change, Desk, DeskError, Event, Exception, Phase, desk::PAGE, request::not, steward::steward};
use crate::domain::{AgentId, ExceptionId, Person, Registry, Timestamp};

/// Who reports that something happened.
#[derive(Debug, Clone, Copy)]
pub enum Reporter<'a> {
    /// An agent, whose word ends what names it and has begun.
    Agent(&'a AgentId),
    /// A person, whose word ends what the person asked for, owns or may revoke.
    Person(&'a Person),
}

/// What a report did.
#[derive(Debug, Default)]
pub struct Reported {
    /// Exceptions that ended.
    pub ended: Vec<Exception>,
    /// Requests for the incident that nobody has to decide any more.
    pub rejected: Vec<Exception>,
    /// Exceptions that it would have ended and did not, each with why.
    pub refused: Vec<(ExceptionId, String)>,
}

impl Reporter<'_> {
    fn id(self) -> String {
        match self {
            Self::Agent(agent) => agent.to_string(),
            Self::Person(person) => person.id.to_string(),
        }
    }

    /// Whether the exception is one that this reporter can speak of at all. An agent knows of its own only, and is
    /// no judge of incidents; one whose window is still to come waits for another event of the same name.
    fn speaks_of(self, exception: &Exception, event: &str, now: Timestamp) -> bool {
        let spec = &exception.spec;
        let ends = spec.ends_on.as_deref() == Some(event);
        match self {
            Self::Agent(agent) => ends && spec.subject.agents.contains(agent) && spec.window.not_before <= now,
            Self::Person(_) => ends || spec.incident.as_deref() == Some(event),
        }
    }
}

impl Desk {
    /// Something happened: each live exception that ends on it ends, and each pending request of the incident that is
    /// closed is rejected, as far as the reporter may. What the reporter may not end stays, and the answer says why.
    ///
    /// # Errors
    /// The store cannot be used; what was ended until then stays ended.
    pub async fn report(&self, by: Reporter<'_>, event: &str, why: &str) -> Result<Reported, DeskError> {
        let mut reported = Reported::default();
        for id in self.awaiting(by, event).await? {
            match self.end_on(&id, by, event, why).await {
                Ok(Some(done)) if done.state.live().is_some() => reported.ended.push(done),
                Ok(Some(done)) => reported.rejected.push(done),
                Ok(None) => {}
                Err(DeskError::Store(error)) => return Err(error.into()),
                Err(error) => reported.refused.push((id, error.to_string())),
            }
        }
        Ok(reported)
    }

    /// A person reports the event that a temporary elevation ends on, or that the incident of a break-glass exception
    /// is closed.
    ///
    /// # Errors
    /// It ends on no such event, it is not live, or the person is neither its steward nor its requester.
    pub async fn finish(&self, id: &ExceptionId, by: &Person, event: &str) -> Result<Exception, DeskError> {
        let reporter = Reporter::Person(by);
        let exception = self.live(id).await?;
        if !reporter.speaks_of(&exception, event, self.parts.clock.now()) {
            may_end(&exception, by, &self.parts.registry.load())?;
            return Err(DeskError::Conflict(format!("`{id}` does not end on `{event}`")));
        }
        self.end_on(id, reporter, event, "").await?.ok_or_else(|| not(&exception, "approved"))
    }

    /// Live exceptions that end on this, and pending requests of this incident, in the order of their ids.
    async fn awaiting(&self, by: Reporter<'_>, event: &str) -> Result<Vec<ExceptionId>, DeskError> {
        let now = self.parts.clock.now();
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = self.list(after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after = Some(last.id.clone());
            let open = |one: &Exception| one.is_live(now) || is_request_of(one, event, now);
            found.extend(page.into_iter().filter(|one| open(one) && by.speaks_of(one, event, now)).map(|one| one.id));
        }
    }

    /// Ends one, if it is still what it was when it was found.
    async fn end_on(
        &self,
        id: &ExceptionId,
        by: Reporter<'_>,
        event: &str,
        why: &str,
    ) -> Result<Option<Exception>, DeskError> {
        let turn = self.turn().await?;
        let exception = self.parts.read(id).await?;
        let now = self.parts.clock.now();
        let event_of = if exception.is_live(now) {
            if let Reporter::Person(person) = by {
                may_end(&exception, person, &self.parts.registry.load())?;
            }
            Event::Finished { by: by.id() }
        } else if let (true, Reporter::Person(person)) = (is_request_of(&exception, event, now), by) {
            let by = person.id.clone();
            if exception.requester == by {
                Event::Withdrawn { by }
            } else {
                steward(&exception, person, &self.parts.registry.load())?;
                Event::Rejected { by }
            }
        } else {
            return Ok(None);
        };
        let reason = if why.is_empty() { event.to_owned() } else { format!("{event}: {why}") };
        let change = Change { events: vec![event_of], at: now, actor: by.id(), reason };
        self.append(turn, id, exception.version, change).await.map(Some)
    }
}

/// Whether it is a request of this incident that waits for people.
fn is_request_of(exception: &Exception, incident: &str, now: Timestamp) -> bool {
    exception.spec.incident.as_deref() == Some(incident) && exception.phase(now) == Phase::PendingApproval
}

/// Whether the person may report the end of this one.
fn may_end(exception: &Exception, by: &Person, registry: &Registry) -> Result<(), DeskError> {
    if exception.requester == by.id { Ok(()) } else { steward(exception, by, registry) }
}
