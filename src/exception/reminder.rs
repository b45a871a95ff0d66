//! What a live exception will want of people before long, and whether they were told.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::{Event, Exception, State, ceiling::later};
use crate::domain::{ExceptionId, PersonId, Timestamp};

/// So long before a deadline people are told, where at least twice as long lies between two deadlines.
const LEADS: [TimeDelta; 3] = [TimeDelta::days(7), TimeDelta::hours(24), TimeDelta::hours(1)];

/// What is due at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deadline {
    /// The exception ends.
    Expiry,
    /// The owner's word is due.
    Attestation,
    /// It looks unneeded: it is proposed to let it go.
    Removal,
}

impl Deadline {
    /// The deadline as records and the API have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expiry => "expiry",
            Self::Attestation => "attestation",
            Self::Removal => "removal",
        }
    }
}

/// Something that people should hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A deadline comes near.
    Due {
        /// The exception.
        exception: ExceptionId,
        /// Who has to do something.
        owner: PersonId,
        /// What is due.
        deadline: Deadline,
        /// When.
        at: Timestamp,
    },
    /// The owner may no longer own; the exception is suspended.
    OwnerGone {
        /// The exception.
        exception: ExceptionId,
        /// Who owned it.
        owner: PersonId,
    },
}

/// Where notices go once they are on record. Whoever carries them further must not hold up the desk.
pub trait Notices: Send + Sync {
    /// Takes one.
    fn tell(&self, notice: &Notice);
}

impl Exception {
    /// The deadlines of an exception that is live, each with how long it is from one to the next.
    fn deadlines(&self) -> Vec<(Deadline, Timestamp, TimeDelta)> {
        let (State::Approved(live) | State::Suspended { live, .. }) = &self.state else { return Vec::new() };
        let window = self.spec.window;
        let length = window.not_after.signed_duration_since(window.not_before);
        let word = self.spec.attestation.map(|word| word.every.delta());
        let word = word.map(|every| (Deadline::Attestation, later(live.attested, every), every));
        let word = word.filter(|(_, due, _)| *due < window.not_after);
        [(Deadline::Expiry, window.not_after, length)].into_iter().chain(word).collect()
    }

    /// What people have not been told of yet: the reminders that are due, one for each deadline at most.
    pub(super) fn reminders(&self, now: Timestamp) -> Vec<Event> {
        let mut events = Vec::new();
        for (of, due, length) in self.deadlines() {
            let reached = leads(length).filter(|lead| earlier(due, *lead) <= now && now < due).min();
            if let Some(lead) = reached.filter(|lead| !self.was_told(of, due, *lead)) {
                events.push(Event::Reminded { of, due, ahead_s: lead.num_seconds() });
            }
        }
        events
    }

    /// When people are to be told next.
    pub(super) fn next_reminder(&self, now: Timestamp) -> Option<Timestamp> {
        let all = self.deadlines().into_iter().filter(|(_, due, _)| *due > now);
        all.flat_map(|(of, due, length)| {
            leads(length).filter(move |lead| !self.was_told(of, due, *lead)).map(move |lead| earlier(due, lead))
        })
        .min()
    }

    fn was_told(&self, of: Deadline, due: Timestamp, lead: TimeDelta) -> bool {
        self.reminded.get(&of).is_some_and(|(told, ahead)| *told == due && *ahead <= lead.num_seconds())
    }

    /// The nearest deadline that people are reminded of by now, or that is over without its lapse.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Option<(Deadline, Timestamp)> {
        if !self.is_live(now) {
            return None;
        }
        let near = |due, length| leads(length).max().is_some_and(|lead| earlier(due, lead) <= now);
        let all = self.deadlines().into_iter().filter(|(_, due, length)| near(*due, *length));
        all.map(|(of, due, _)| (of, due)).min_by_key(|(_, due)| *due)
    }
}

fn leads(length: TimeDelta) -> impl Iterator<Item = TimeDelta> {
    LEADS.into_iter().filter(move |lead| lead.checked_add(lead).is_some_and(|twice| twice <= length))
}

fn earlier(moment: Timestamp, by: TimeDelta) -> Timestamp {
    moment.checked_sub_signed(by).unwrap_or(Timestamp::MIN_UTC)
}
