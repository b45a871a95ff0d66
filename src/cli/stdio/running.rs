//! The requests that wait for their answer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::said::Ident;
use crate::mcp::IdKey;

/// Requests that may wait at once.
const MOST: usize = 256;

/// Why a request does not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotBegun {
    #[error("a request with this id waits for its answer already")]
    Twice,
    #[error("{MOST} requests wait for their answers already; send this one again later")]
    TooMany,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Table(Arc<Mutex<HashMap<IdKey, Entry>>>);

#[derive(Debug)]
struct Entry {
    id: Box<RawValue>,
    /// For a modern request: ends its stream, which cancels it.
    cancelled: Option<CancellationToken>,
}

/// Requests that wait; their ids are free again when this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    table: Table,
    keys: Vec<IdKey>,
    pub(super) cancelled: CancellationToken,
}

/// Whether a request waits, and in which era.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cancel {
    /// It was modern; its stream is closed now.
    Closed,
    /// It is legacy, or not known: the gateway is to be told.
    Tell,
}

impl Table {
    /// These requests begin, all or none.
    pub(super) fn begin(&self, ids: &[Ident], modern: bool) -> Result<Running, NotBegun> {
        let mut table = self.held();
        if table.len() + ids.len() > MOST {
            return Err(NotBegun::TooMany);
        }
        let twice = |at: usize, key: &IdKey| ids.iter().take(at).any(|other| other.key == *key);
        if ids.iter().enumerate().any(|(at, id)| table.contains_key(&id.key) || twice(at, &id.key)) {
            return Err(NotBegun::Twice);
        }
        let cancelled = CancellationToken::new();
        for id in ids {
            let entry = Entry { id: id.raw.clone(), cancelled: modern.then(|| cancelled.clone()) };
            table.insert(id.key.clone(), entry);
        }
        let keys = ids.iter().map(|id| id.key.clone()).collect();
        Ok(Running { table: self.clone(), keys, cancelled })
    }

    /// The client cancels a request.
    pub(super) fn cancel(&self, key: &IdKey) -> Cancel {
        match self.held().get(key).and_then(|entry| entry.cancelled.as_ref()) {
            Some(cancelled) => {
                cancelled.cancel();
                Cancel::Closed
            }
            None => Cancel::Tell,
        }
    }

    /// The ids that still wait.
    pub(super) fn waiting(&self) -> Vec<Box<RawValue>> {
        self.held().values().map(|entry| entry.id.clone()).collect()
    }

    fn held(&self) -> MutexGuard<'_, HashMap<IdKey, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut table = self.table.held();
        for key in &self.keys {
            table.remove(key);
        }
    }
}
