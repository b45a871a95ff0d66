//! What became of the traces of exceptions' uses: held here, acknowledged by the collector, or gone.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use opentelemetry::trace::SpanId;

use super::ids::{Part, span_id};
use crate::domain::DecisionId;

/// Acknowledgements that are remembered until somebody asks; what is forgotten is sent once more.
const REMEMBERED: usize = 65_536;

/// Where the trace of a use is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The call is under way, or its spans wait for the collector's answer.
    Held,
    /// The collector has acknowledged it.
    Acknowledged,
    /// Neither: it was dropped or refused, or belongs to a process that ended. The journal has what it said.
    Gone,
}

/// The traces of uses that this process holds, and those that were acknowledged. Bounded: what is held by the queue
/// and the calls under way, what is remembered by a constant.
#[derive(Debug, Default)]
pub struct Uses(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    held: HashMap<SpanId, u32>,
    acknowledged: HashSet<SpanId>,
    order: VecDeque<SpanId>,
}

/// Goes with the spans of a use. Dropped without [`acknowledged`](Self::acknowledged), the trace is gone.
#[derive(Debug)]
pub(super) struct Receipt {
    uses: Arc<Uses>,
    span: SpanId,
}

impl Uses {
    pub(super) fn hold(self: &Arc<Self>, span: SpanId) -> Receipt {
        *self.book().held.entry(span).or_default() += 1;
        Receipt { uses: Arc::clone(self), span }
    }

    /// Where the trace of this use is.
    #[must_use]
    pub fn fate(&self, decision: &DecisionId) -> Fate {
        let span = span_id(decision, Part::Server);
        let book = self.book();
        if book.acknowledged.contains(&span) {
            Fate::Acknowledged
        } else if book.held.contains_key(&span) {
            Fate::Held
        } else {
            Fate::Gone
        }
    }

    /// Its acknowledgement was noted and need not be remembered.
    pub fn noted(&self, decision: &DecisionId) {
        self.book().acknowledged.remove(&span_id(decision, Part::Server));
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Receipt {
    /// The collector took the spans.
    pub(super) fn acknowledged(self) {
        let mut book = self.uses.book();
        if book.acknowledged.insert(self.span) {
            book.order.push_back(self.span);
        }
        while book.order.len() > REMEMBERED
            && let Some(oldest) = book.order.pop_front()
        {
            book.acknowledged.remove(&oldest);
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        let mut book = self.uses.book();
        if let Some(count) = book.held.get_mut(&self.span) {
            *count -= 1;
            if *count == 0 {
                book.held.remove(&self.span);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_held_then_acknowledged_or_gone_and_memory_stays_bounded() {
        let uses = Arc::new(Uses::default());
        let decision = DecisionId::from_bits;
        let hold = |n| uses.hold(span_id(&decision(n), Part::Server));
        let receipt = hold(1);
        assert_eq!((uses.fate(&decision(1)), uses.fate(&decision(2))), (Fate::Held, Fate::Gone));
        receipt.acknowledged();
        drop(hold(2));
        assert_eq!((uses.fate(&decision(1)), uses.fate(&decision(2))), (Fate::Acknowledged, Fate::Gone));
        uses.noted(&decision(1));
        assert_eq!(uses.fate(&decision(1)), Fate::Gone);
        (0..70_000).for_each(|n| hold(n).acknowledged());
        let book = uses.book();
        assert!(book.held.is_empty() && book.acknowledged.len() <= REMEMBERED && book.order.len() <= REMEMBERED);
    }
}
