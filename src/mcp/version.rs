//! The revisions of the protocol and the two eras that they fall into.

/// The modern revision: stateless, headers mirror the body.
pub const MODERN: &str = "2026-07-28";
/// The legacy revisions that are served, newest first.
pub const LEGACY: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// How a peer speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Era {
    /// Revision 2026-07-28: each request stands alone.
    Modern,
    /// Revisions up to 2025-11-25: `initialize`, then a session.
    Legacy,
}

/// A revision that is spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// Its era.
    pub era: Era,
    /// Its date.
    pub name: &'static str,
}

impl Version {
    /// The modern revision.
    pub const MODERN: Self = Self { era: Era::Modern, name: MODERN };
    /// The newest legacy revision, which is offered to a client that asks for one that is not known.
    pub const NEWEST_LEGACY: Self = Self { era: Era::Legacy, name: LEGACY[0] };

    /// The revision of this date, if it is spoken here.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        if name == MODERN { Some(Self::MODERN) } else { Self::legacy(name) }
    }

    /// The legacy revision of this date, if it is spoken here.
    #[must_use]
    pub fn legacy(name: &str) -> Option<Self> {
        LEGACY.into_iter().find(|known| *known == name).map(|name| Self { era: Era::Legacy, name })
    }

    /// Whether a body may hold an array of messages (only in 2025-03-26).
    #[must_use]
    pub fn batches(self) -> bool {
        self.name == "2025-03-26"
    }
}
