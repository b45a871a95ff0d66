//! Which tools a subject sees: what roles allow or may allow, its exceptions' tools, what it may ask for.

use std::sync::PoisonError;

use super::{
    PolicySet,
    cedar::Answer,
    context,
    decide::{ask_all, ask_any, principals},
    slice::Slice,
};
use crate::{
    catalog::Tool,
    domain::{Candidate, Subject, Timestamp},
};

/// Remembered answers of a slice; beyond it all are forgotten.
const REMEMBERED: usize = 4_096;

/// Whether and why a subject sees a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Roles allow it whatever the arguments.
    Allowed,
    /// Roles allow it for some arguments.
    Depends,
    /// An exception of the subject names it.
    Exception,
    /// The subject may ask for it.
    Requestable,
    /// It is not there for this subject.
    Hidden,
}

impl PolicySet {
    /// Whether the subject sees the tool; `candidates` are its exceptions on this tool at `now`.
    #[must_use]
    pub fn visibility(&self, subject: &Subject, tool: &Tool, candidates: &[Candidate], now: Timestamp) -> Visibility {
        let Some(slice) = self.slice(tool) else { return Visibility::Hidden };
        let by_policy = self.remembered(&slice, subject, now);
        match by_policy {
            Visibility::Allowed | Visibility::Depends => by_policy,
            Visibility::Exception | Visibility::Requestable | Visibility::Hidden if !candidates.is_empty() => Visibility::Exception,
            Visibility::Exception | Visibility::Requestable | Visibility::Hidden => by_policy,
        }
    }

    fn remembered(&self, slice: &Slice, subject: &Subject, now: Timestamp) -> Visibility {
        if slice.reads_now {
            return self.seen_now(slice, subject, now);
        }
        let mut keys = principals(subject);
        let Some(agent) = keys.next() else { return Visibility::Hidden };
        let key = (subject.agent.clone(), agent, keys.next());
        if let Some(known) = slice.seen.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return *known;
        }
        let seen = self.seen_now(slice, subject, now);
        let mut all = slice.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED {
            all.clear();
        }
        all.insert(key, seen);
        seen
    }

    fn seen_now(&self, slice: &Slice, subject: &Subject, now: Timestamp) -> Visibility {
        let Some(context) = context::of_call(None, slice.reads_now.then_some(now)) else { return Visibility::Hidden };
        let forbidden = !matches!(ask_any(&slice.always_forbidden, slice, subject, &context), Answer::Nothing);
        let requestable = || if self.requestable(slice, subject) { Visibility::Requestable } else { Visibility::Hidden };
        if forbidden {
            return Visibility::Hidden;
        }
        if slice.reads_input {
            let some = matches!(ask_all(&slice.roles_maybe, slice, subject, &context), Answer::Matched(_));
            let plain = matches!(ask_all(&slice.roles, slice, subject, &context), Answer::Matched(_));
            return if some || plain { Visibility::Depends } else { requestable() };
        }
        match ask_all(&slice.roles, slice, subject, &context) {
            Answer::Matched(_) => Visibility::Allowed,
            Answer::Nothing => requestable(),
            Answer::Failed(_) => Visibility::Hidden,
        }
    }
}
