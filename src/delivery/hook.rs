//! One receiver of alerts, as everybody beside its follower sees it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    alert::{ALWAYS, Alert, Entry, KINDS},
    progress::Progress,
};
use crate::{
    domain::{ExceptionId, PersonId},
    evidence::{Delivery, DeliveryEvent},
};

/// What a webhook is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Kinds of alert, of [`KINDS`].
    pub kinds: BTreeSet<&'static str>,
    /// Only exceptions of these owners, or where one of these stands in; empty means all.
    pub owners: BTreeSet<PersonId>,
}

impl Wanted {
    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self { kinds: KINDS.into_iter().collect(), owners: BTreeSet::new() }
    }

    /// Whether uses of exceptions are among it in any form. Break-glass always is.
    #[must_use]
    pub fn wants(&self, alert: &Alert, entry: &Entry) -> bool {
        let kind = alert.kind == ALWAYS || self.kinds.contains(alert.kind);
        let owned = || [&entry.owner, &entry.backup].into_iter().flatten().any(|person| self.owners.contains(person));
        kind && (self.owners.is_empty() || alert.exception.is_none() || alert.kind == ALWAYS || owned())
    }
}

/// A webhook: what it wants, how far it got, what it refused.
#[derive(Debug)]
pub struct Hook {
    /// Its name in postern.yaml.
    pub name: String,
    /// What it is told of.
    pub wanted: Wanted,
    dead: Mutex<BTreeMap<String, Delivery>>,
}

impl Hook {
    /// A webhook with the dead letters that the journal tells of.
    #[must_use]
    pub fn new(name: &str, wanted: Wanted, history: &[Delivery]) -> Self {
        let hook = Self { name: name.to_owned(), wanted, dead: Mutex::default() };
        history.iter().filter(|delivery| delivery.destination == name).for_each(|delivery| hook.note(delivery));
        hook
    }

    /// Its dead letters, the oldest first.
    #[must_use]
    pub fn dead(&self) -> Vec<Delivery> {
        let mut dead: Vec<_> = self.dead.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        dead.sort_by(|a, b| (a.record, &a.id).cmp(&(b.record, &b.id)));
        dead
    }

    /// Whether a use of this exception could not be told.
    #[must_use]
    pub fn owes(&self, exception: &ExceptionId) -> bool {
        let dead = self.dead.lock().unwrap_or_else(PoisonError::into_inner);
        dead.values().any(|one| one.alert == "exception.used" && one.exception.as_ref() == Some(exception))
    }

    pub(super) fn note(&self, delivery: &Delivery) {
        let mut dead = self.dead.lock().unwrap_or_else(PoisonError::into_inner);
        match delivery.event {
            DeliveryEvent::Dead => drop(dead.insert(delivery.id.clone(), delivery.clone())),
            DeliveryEvent::Delivered => drop(dead.remove(&delivery.id)),
            DeliveryEvent::Retried => {}
        }
    }
}

/// A webhook that runs: itself, and how far its follower got.
#[derive(Debug, Clone)]
pub struct Running {
    /// The webhook.
    pub hook: Arc<Hook>,
    /// How far it got.
    pub progress: Arc<Progress>,
}
