//! Where calls count that a server asked something: apart from its other calls, so that they starve none.
//!
//! A call that waits for its caller gives its place among the server's calls back and takes a seat, which it keeps
//! to its end: it must not wait for a place when it goes on, for the server may do nothing else before it has its
//! answer. So a server works on at most its concurrency and half of it again, at least four; and nobody takes more
//! than a quarter of the seats.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OwnedSemaphorePermit;

use crate::upstream::PrincipalKey;

/// Seats of one server at most.
const MOST: usize = 64;
/// Seats of a server that takes few calls at once; then everybody has one.
const LEAST: usize = 4;
/// The part of the seats that one principal may take.
const SHARE: usize = 4;

type Taken = Arc<Mutex<HashMap<PrincipalKey, usize>>>;

/// The seats of one server.
pub(super) struct Seats {
    taken: Taken,
    all: usize,
}

struct Seat {
    whose: PrincipalKey,
    taken: Taken,
}

/// What a call counts as: one of the server's calls at once, or one that was asked something.
pub(in crate::upstream) struct Slot {
    permit: Option<OwnedSemaphorePermit>,
    seat: Option<Seat>,
}

impl From<OwnedSemaphorePermit> for Slot {
    fn from(permit: OwnedSemaphorePermit) -> Self {
        Self { permit: Some(permit), seat: None }
    }
}

impl Slot {
    /// Gives back the right to a call, if it is none that was asked.
    pub(in crate::upstream) const fn give_back(&mut self) -> Option<OwnedSemaphorePermit> {
        self.permit.take()
    }

    /// Whether there is a seat; it is taken in exchange for the place among the server's calls.
    pub(super) fn sit(&mut self, seats: &Seats, whose: &PrincipalKey) -> bool {
        if self.seat.is_none() {
            self.seat = seats.take(whose);
        }
        if self.seat.is_some() {
            self.permit = None;
        }
        self.seat.is_some()
    }
}

impl Seats {
    /// The seats of a server that takes this many calls at once.
    pub(super) fn new(concurrency: usize) -> Self {
        Self { taken: Taken::default(), all: (concurrency / 2).clamp(LEAST, MOST) }
    }

    fn take(&self, whose: &PrincipalKey) -> Option<Seat> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.get(whose).copied().unwrap_or_default();
        if own >= self.all / SHARE || taken.values().sum::<usize>() >= self.all {
            return None;
        }
        taken.insert(whose.clone(), own + 1);
        Some(Seat { whose: whose.clone(), taken: self.taken.clone() })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.whose) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.whose);
            }
        }
    }
}
