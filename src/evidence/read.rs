//! Who read evidence: the record of it, and what keeps it to one a minute (T110).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::{Journal, JournalError, Record};
use crate::domain::{DecisionId, ExceptionId, PersonId, Timestamp, limits};

/// Where evidence is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Surface {
    /// Decisions, or one of them.
    Decisions,
    /// The journal as it grows.
    Events,
    /// Records, page by page.
    Evidence,
    /// Records, as a bundle of the tiles.
    Entries,
    /// Register and sprawl, which count calls.
    Reports,
    /// What would be otherwise, counted over recorded calls.
    Studies,
    /// The arguments of a refused call, opened to draft an exception of it.
    Arguments,
    /// Calls that wait for a person's yes; one of them with its arguments.
    Holds,
    /// Alerts that could not be delivered.
    Alerts,
    /// The console's overview.
    Console,
}

impl Surface {
    /// Its name, as the record has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decisions => "decisions",
            Self::Events => "events",
            Self::Evidence => "evidence",
            Self::Entries => "entries",
            Self::Reports => "reports",
            Self::Studies => "studies",
            Self::Arguments => "arguments",
            Self::Holds => "holds",
            Self::Alerts => "alerts",
            Self::Console => "console",
        }
    }
}

/// A person read evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// When.
    pub at: Timestamp,
    /// Who; nobody, for a session of the console that the gateway's own link opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<PersonId>,
    /// Where.
    pub surface: Surface,
    /// Of which exception, if one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<ExceptionId>,
    /// Of which decision, if one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionId>,
    /// What else narrowed it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub what: String,
    /// The most records that the answer can have, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Further reads of this person here since the last record of them, which have none of their own.
    #[serde(default, skip_serializing_if = "is_none")]
    pub more: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_none(count: &u64) -> bool {
    *count == 0
}

/// Who reads where.
/// Who, where, and the one thing that was opened, if it was one.
type Seat = (Option<PersonId>, Surface, Option<Box<str>>);

/// The last record of somebody's reading somewhere.
#[derive(Debug, Default)]
struct Last {
    /// The minute of it; none before the first.
    minute: Option<i64>,
    /// Reads since.
    more: u64,
}

impl Read {
    /// The decision or hold that was opened by its name: each of them is on record.
    fn opened(&self) -> Option<Box<str>> {
        match (&self.decision, self.surface) {
            (Some(decision), _) => Some(decision.as_str().into()),
            (None, Surface::Holds) if !self.what.is_empty() => Some(self.what.as_str().into()),
            (None, _) => None,
        }
    }
}

/// Shared by those who read at the same moment.
type Shared = Arc<tokio::sync::Mutex<Last>>;

/// Puts reads on record: of each person and surface, and of each thing that is opened by its name, the first of a
/// minute, before it is answered.
#[derive(Debug, Default)]
pub struct Readers {
    /// With the minute in which each was asked for last.
    seats: Mutex<BTreeMap<Seat, (i64, Shared)>>,
}

impl Readers {
    /// Notes a read; it may be answered when this is `Ok`.
    ///
    /// # Errors
    /// It cannot be put on record, so it must be refused.
    pub async fn note(&self, journal: &dyn Journal, mut read: Read) -> Result<(), JournalError> {
        let minute = read.at.timestamp().div_euclid(60);
        let Some(last) = self.seat((read.by.clone(), read.surface, read.opened()), minute) else {
            return journal.append(Record::Read(read)).await.map(|_| ());
        };
        // Whoever reads at the same moment waits until the record is durable.
        let mut last = last.lock().await;
        if last.minute == Some(minute) {
            last.more = last.more.saturating_add(1);
            return Ok(());
        }
        read.more = last.more;
        journal.append(Record::Read(read)).await?;
        *last = Last { minute: Some(minute), more: 0 };
        Ok(())
    }

    /// None when too many read at once to remember: then each read has a record.
    fn seat(&self, seat: Seat, minute: i64) -> Option<Shared> {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        if !seats.contains_key(&seat) && seats.len() >= limits::READERS {
            seats.retain(|_, (asked, _)| *asked == minute);
            if seats.len() >= limits::READERS {
                return None;
            }
        }
        let (asked, last) = seats.entry(seat).or_default();
        *asked = minute;
        Some(Arc::clone(last))
    }
}
