//! One piece of work for the writer, and who waits for it.

use std::sync::{
    Arc,
    atomic::{AtomicU8, AtomicU64, Ordering},
};

use tokio::sync::oneshot;

use super::ledger::{Entry, Ledger};
use crate::{
    domain::{DecisionId, ExceptionId},
    evidence::{Aborted, Record},
};

/// What one piece of work gives.
pub(super) struct Done<T> {
    pub(super) value: T,
    /// The record that must be marked if whoever waits has given up.
    pub(super) record: Option<u64>,
}

impl<T> Done<T> {
    pub(super) const fn plain(value: T) -> Self {
        Self { value, record: None }
    }
}

/// A record whose caller acts on not having it in time.
#[derive(Debug, Clone)]
pub(super) struct Late {
    pub(super) decision: DecisionId,
    /// The exception that is charged by it.
    pub(super) refund: Option<ExceptionId>,
}

/// A record that came too late.
pub(super) struct Overdue {
    pub(super) late: Late,
    pub(super) record: u64,
}

/// The work cannot be done now; nothing of it was kept, or what was kept is marked as aborted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unavailable(pub(super) String);

/// Work of any kind, as the writer sees it.
pub(super) trait Job: Send {
    /// Does the work inside the open transaction. An error ends the whole transaction.
    fn apply(&mut self, ledger: &mut Ledger) -> rusqlite::Result<()>;
    /// Answers after the commit; gives back a record for which nobody waits any more.
    fn answer(self: Box<Self>) -> Option<Overdue>;
    /// The decision whose caller was answered before the commit and goes on whatever becomes of it.
    fn gone_on(&self) -> Option<DecisionId> {
        None
    }
    /// Answers that nothing was kept.
    fn refuse(self: Box<Self>, why: &Unavailable);
}

const WAITING: u8 = 0;
const ANSWERED: u8 = 1;
const TAKEN: u8 = 2;
const GIVEN_UP: u8 = 3;

/// Decides once, between the writer's answer and the end of waiting, which of them came first.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: AtomicU8,
    record: AtomicU64,
}

impl Gate {
    fn move_on(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn answer(&self, record: Option<u64>) -> bool {
        self.record.store(record.unwrap_or_default(), Ordering::Release);
        self.move_on(WAITING, ANSWERED)
    }

    /// The answer was received and will be acted on.
    pub(super) fn take(&self) -> bool {
        self.move_on(ANSWERED, TAKEN)
    }

    /// Nobody waits any more; says which record was answered and not taken.
    pub(super) fn give_up(&self) -> Option<u64> {
        match self.state.swap(GIVEN_UP, Ordering::AcqRel) {
            ANSWERED => Some(self.record.load(Ordering::Acquire)).filter(|record| *record > 0),
            _ => None,
        }
    }

    fn is_given_up(&self) -> bool {
        self.state.load(Ordering::Acquire) == GIVEN_UP
    }
}

/// Work that somebody waits for.
pub(super) struct Asked<T, F> {
    pub(super) work: Option<F>,
    pub(super) done: Option<Done<T>>,
    pub(super) reply: Option<oneshot::Sender<Result<T, Unavailable>>>,
    pub(super) gate: Arc<Gate>,
    pub(super) late: Option<Late>,
    /// Answer before the commit (`durability: exceptions`).
    pub(super) early: bool,
}

impl<T, F> Asked<T, F> {
    fn send(&mut self, result: Result<T, Unavailable>) {
        if let Some(reply) = self.reply.take() {
            // Whoever waited may be gone; the gate has told already.
            let _ = reply.send(result);
        }
    }

    fn settle(&mut self) -> Option<Overdue> {
        let done = self.done.take()?;
        if self.gate.answer(done.record) {
            self.send(Ok(done.value));
            return None;
        }
        Some(Overdue { late: self.late.take()?, record: done.record? })
    }
}

impl<T, F> Job for Asked<T, F>
where
    T: Send,
    F: FnOnce(&mut Ledger) -> rusqlite::Result<Done<T>> + Send,
{
    fn apply(&mut self, ledger: &mut Ledger) -> rusqlite::Result<()> {
        if self.gate.is_given_up() {
            return Ok(());
        }
        if let Some(work) = self.work.take() {
            self.done = Some(work(ledger)?);
        }
        if self.early
            && let Some(overdue) = self.settle()
        {
            abort(ledger, &overdue)?;
        }
        Ok(())
    }

    fn answer(mut self: Box<Self>) -> Option<Overdue> {
        self.settle()
    }

    fn gone_on(&self) -> Option<DecisionId> {
        let answered = self.early && self.work.is_none() && self.reply.is_none();
        self.late.as_ref().filter(|_| answered).map(|late| late.decision.clone())
    }

    fn refuse(mut self: Box<Self>, why: &Unavailable) {
        self.gate.answer(None);
        self.send(Err(why.clone()));
    }
}

/// Marks a record for which nobody waits any more.
pub(super) struct Mark(pub(super) Overdue);

impl Job for Mark {
    fn apply(&mut self, ledger: &mut Ledger) -> rusqlite::Result<()> {
        abort(ledger, &self.0)
    }

    fn answer(self: Box<Self>) -> Option<Overdue> {
        None
    }

    fn refuse(self: Box<Self>, _why: &Unavailable) {}
}

/// Writes that a record came too late, and gives its budget back.
pub(super) fn abort(ledger: &mut Ledger, overdue: &Overdue) -> rusqlite::Result<()> {
    let Overdue { late, record } = overdue;
    if let Some(exception) = &late.refund {
        ledger.give_back(exception)?;
    }
    let aborted = Record::Aborted(Aborted {
        at: ledger.now(),
        record: *record,
        decision: late.decision.clone(),
        refunded: late.refund.clone(),
    });
    ledger.tell(&aborted).map(drop)
}

/// A record as work.
pub(super) fn write(entry: Entry) -> impl FnOnce(&mut Ledger) -> rusqlite::Result<Done<u64>> + Send {
    move |ledger| {
        let seq = ledger.append(&entry)?.seq;
        Ok(Done { value: seq, record: Some(seq) })
    }
}
