//! Where calls wait that a legacy server asked something: bounded in number and time, each for its own caller.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::{sync::oneshot, time::sleep};

use super::{Flight, seats::Seats};
use crate::{
    domain::{Digest, Method, limits},
    mcp::InputRequired,
    upstream::{Dispatch, Leash, PrincipalKey, errand::Errand},
};

/// The calls of one server that wait for their callers.
pub(in crate::upstream) struct Lot<F> {
    places: Arc<Mutex<HashMap<String, Parked<F>>>>,
    seats: Seats,
}

/// The whole of a call: what is resumed is what was begun.
#[derive(PartialEq, Eq)]
struct Ticket {
    whose: PrincipalKey,
    method: Method,
    name: Box<str>,
    digest: Digest,
}

struct Parked<F> {
    ticket: Ticket,
    back: oneshot::Sender<oneshot::Sender<F>>,
}

impl Ticket {
    fn of(whose: &PrincipalKey, errand: &Errand) -> Self {
        Self { whose: whose.clone(), method: errand.method(), name: errand.name().into(), digest: errand.digest() }
    }
}

impl<F: Flight> Lot<F> {
    /// Places for the calls of a server that takes this many at once.
    pub(in crate::upstream) fn new(concurrency: usize) -> Self {
        Self { places: Arc::default(), seats: Seats::new(concurrency) }
    }

    /// Lets a call wait that asks something; nothing if there is no place for it.
    pub(in crate::upstream) fn park(
        &self,
        mut flight: F,
        dispatch: &Dispatch,
        errand: &Errand,
    ) -> Option<InputRequired> {
        let whose = &dispatch.principal;
        let state = state()?;
        let required = flight.question().as_ref()?.round(state.clone());
        if !flight.slot().sit(&self.seats, whose) {
            return None;
        }
        let (back, wanted) = oneshot::channel();
        let parked = Parked { ticket: Ticket::of(whose, errand), back };
        self.places.lock().unwrap_or_else(PoisonError::into_inner).insert(state.clone(), parked);
        let left = Left { places: Arc::downgrade(&self.places), state, leash: dispatch.leash.clone() };
        tokio::spawn(wait(flight, wanted, left));
        Some(required)
    }

    /// Takes a call out again; nobody but its caller can, with the same request, and once.
    pub(in crate::upstream) async fn take(&self, state: &str, whose: &PrincipalKey, errand: &Errand) -> Option<F> {
        let back = {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            let known = places.get(state).is_some_and(|parked| parked.ticket == Ticket::of(whose, errand));
            if known { places.remove(state) } else { None }
        }?
        .back;
        let (hand, flight) = oneshot::channel();
        back.send(hand).ok()?;
        flight.await.ok()
    }

    /// Ends all waiting.
    pub(in crate::upstream) fn clear(&self) {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// What is left to do for a call that waits.
struct Left<F> {
    places: Weak<Mutex<HashMap<String, Parked<F>>>>,
    state: String,
    leash: Leash,
}

/// One call waits: it is handed back, its permission is taken back, or its time ends.
async fn wait<F: Flight>(
    mut flight: F,
    wanted: oneshot::Receiver<oneshot::Sender<F>>,
    Left { places, state, leash }: Left<F>,
) {
    let hand = tokio::select! {
        biased;
        () = leash.pulled() => None,
        hand = wanted => hand.ok(),
        () = sleep(limits::INPUT_TIME) => None,
        () = flight.idle() => None,
    };
    match hand {
        // If nobody takes it, it ends here.
        Some(hand) => drop(hand.send(flight)),
        None => {
            if let Some(places) = places.upgrade() {
                places.lock().unwrap_or_else(PoisonError::into_inner).remove(&state);
            }
        }
    }
}

/// A name that cannot be guessed.
fn state() -> Option<String> {
    let mut bits = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut bits).ok()?;
    Some(format!("{:032x}", u128::from_be_bytes(bits)))
}
