//! Which routes read evidence, and what of it: that is on record before the answer (T110).

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::{
    AlertRoute, ApiError, EventRoute, HoldRoute, events,
    routes::Known,
    serve::{Asked, DECISIONS, page},
};
use crate::{
    domain::{DecisionId, ExceptionId, Person},
    evidence::{Surface, tiles::TileName},
};

/// Characters of a name that a record of a read takes over.
const NAME: usize = 128;

/// What somebody is about to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// Where.
    pub surface: Surface,
    /// Of which exception, if one is named.
    pub exception: Option<ExceptionId>,
    /// Of which decision, if one is named.
    pub decision: Option<DecisionId>,
    /// What else narrows it.
    pub what: String,
    /// The most records that the answer can have, where that is known.
    pub count: Option<u64>,
}

impl Looked {
    /// All of a surface.
    #[must_use]
    pub const fn at(surface: Surface) -> Self {
        Self { surface, exception: None, decision: None, what: String::new(), count: None }
    }
}

/// The part of [`super::Operations`] that is about who reads evidence.
#[async_trait]
pub trait ReadOperations: Send + Sync + 'static {
    /// Puts a read on record, at most one of a person and a surface in a minute; it is answered only if this is `Ok`.
    async fn note_read(&self, by: &Arc<Person>, looked: Looked) -> Result<(), ApiError>;
}

/// What this request reads of the evidence; none if it reads nothing of it.
pub(super) fn looked(known: Known, asked: &Asked) -> Option<Looked> {
    let all = Looked::at;
    Some(match known {
        Known::Decisions => Looked { count: u64::try_from(DECISIONS).ok(), ..all(Surface::Decisions) },
        Known::Explain => Looked { decision: asked.id.parse().ok(), count: Some(1), ..all(Surface::Decisions) },
        Known::Event(EventRoute::Stream) => followed(asked),
        Known::Evidence => {
            let Ok((from, limit)) = page(asked) else { return Some(all(Surface::Evidence)) };
            Looked { what: format!("from {from}"), count: Some(limit.into()), ..all(Surface::Evidence) }
        }
        Known::LogEntries => {
            let tile = asked.parts.uri.path().strip_prefix("/log/").filter(|path| TileName::parse(path).is_some());
            Looked { what: tile.unwrap_or_default().to_owned(), ..all(Surface::Entries) }
        }
        Known::Draft => Looked { decision: named(asked, "decision"), count: Some(1), ..all(Surface::Arguments) },
        Known::Register | Known::Sprawl => all(Surface::Reports),
        Known::Study(word @ ("simulate" | "graduate" | "proposals")) => {
            let exception = named(asked, "exception").or_else(|| named(asked, "without"));
            Looked { exception, what: word.to_owned(), ..all(Surface::Studies) }
        }
        Known::Hold(HoldRoute::List) => all(Surface::Holds),
        Known::Hold(HoldRoute::Show) => {
            let hold = asked.id.parse::<crate::domain::HoldId>().ok();
            let what = hold.map(|hold| hold.to_string()).unwrap_or_default();
            Looked { what, count: Some(1), ..all(Surface::Holds) }
        }
        Known::Alerts(AlertRoute::Dead) => all(Surface::Alerts),
        // What changes something leaves a record of its own; the rest shows states, health, and hashes.
        Known::Study(_)
        | Known::Hold(HoldRoute::Approve | HoldRoute::Deny)
        | Known::Alerts(AlertRoute::List | AlertRoute::Retry)
        | Known::Event(EventRoute::Attend | EventRoute::Leave)
        | Known::Metrics
        | Known::MakeKey
        | Known::Keys
        | Known::RevokeKey
        | Known::Submit
        | Known::CloseIncident
        | Known::Access(_)
        | Known::Exceptions
        | Known::Exception
        | Known::Changes
        | Known::Act(_)
        | Known::Pilot(_)
        | Known::Exports
        | Known::Catalog
        | Known::ApproveTools
        | Known::Controls
        | Known::ControlHistory
        | Known::Freeze(_)
        | Known::Reload
        | Known::Prune
        | Known::Shred
        | Known::RotateKey
        | Known::ConsoleLink
        | Known::Checkpoint
        | Known::LogCheckpoint
        | Known::LogTile => return None,
    })
}

/// The filters of a stream.
fn followed(asked: &Asked) -> Looked {
    let all = Looked::at(Surface::Events);
    let Ok(wish) = events::wish(asked) else { return all };
    let parts = [
        ("pilot", wish.pilot.map(|pilot| pilot.to_string())),
        ("agent", wish.agent.map(|agent| agent.as_str().chars().take(NAME).collect())),
        ("from", wish.from.map(|from| from.to_string())),
    ];
    let what: Vec<String> =
        parts.into_iter().filter_map(|(name, value)| value.map(|value| format!("{name} {value}"))).collect();
    Looked { exception: wish.exception, what: what.join(", "), ..all }
}

/// An id that the body names.
fn named<T: std::str::FromStr>(asked: &Asked, member: &str) -> Option<T> {
    let body: Value = serde_json::from_slice(&asked.body).ok()?;
    body.get(member)?.as_str()?.parse().ok()
}
