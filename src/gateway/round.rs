//! Rounds of a request: each is judged anew, a state is good once, and an exception pays for the first (T035).

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Gateway, hold::Asking, seal::Purpose, visit::Visit};
use crate::{
    domain::{Candidate, DecisionId, Digest, ExceptionId, HoldId, Timestamp, ToolRef},
    mcp::InputGiven,
};

/// How long a client may take for its answers.
const PATIENCE_MS: i64 = 600_000;
/// States that were used and are remembered until they would end by themselves; with more, no round goes on.
const REMEMBERED: usize = 65_536;

/// What a state holds.
#[derive(Serialize, Deserialize)]
struct State {
    /// The decision of the first round.
    first: DecisionId,
    /// When it ends, in milliseconds of the epoch.
    until: i64,
    /// The tool server's own state.
    own: Option<String>,
    /// The exception that paid, and its revision.
    paid: Option<(ExceptionId, u32)>,
    /// The hold that the gateway itself asked about, and how many rounds that took so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hold: Option<(HoldId, u8)>,
}

/// Which round of a request this is.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// What the client answers, with the server's own state; none in the first round.
    pub(super) input: Option<InputGiven>,
    /// The decision of the first round, in later ones.
    pub(super) first: Option<DecisionId>,
    /// The exception that paid in the first round, and its revision.
    pub(super) paid: Option<(ExceptionId, u32)>,
    /// The hold that the gateway itself asked about; nothing of such a round is for the tool server.
    pub(super) hold: Option<Asking>,
    /// The state that is used up.
    token: Option<Digest>,
}

/// The state is not one of this request and this caller, was used, or is too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`requestState` is not one of this request; begin again without it")]
pub(super) struct ForeignState;

/// States that were used.
#[derive(Debug, Default)]
pub(super) struct Spent(Mutex<HashMap<Digest, i64>>);

impl Spent {
    /// Uses a state; false if it was used before, or if no more can be remembered.
    fn spend(&self, token: Digest, now: i64) -> bool {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.len() >= REMEMBERED {
            spent.retain(|_, until| *until > now);
        }
        spent.len() < REMEMBERED && spent.insert(token, now + PATIENCE_MS).is_none()
    }
}

impl Gateway {
    /// Opens what the client sent along. `what` is the request: what it is for, and the digest of its params.
    pub(super) fn round(&self, visit: &Visit, what: &str, given: Option<&InputGiven>) -> Result<Round, ForeignState> {
        let Some(given) = given else { return Ok(Round::default()) };
        // Answers without a state are the client's own idea; the server makes of them what it wants.
        let Some(token) = &given.state else { return Ok(Round { input: Some(given.clone()), ..Round::default() }) };
        let opened = self.seals().open(Purpose::State, &visit.subject, &self.bound(visit, what), token);
        let state: State = opened.and_then(|text| serde_json::from_slice(&text).ok()).ok_or(ForeignState)?;
        if state.until <= millis(visit.now) {
            return Err(ForeignState);
        }
        let token = Some(Digest::of(token.as_bytes()));
        if let Some((id, rounds)) = state.hold {
            let hold = Some(Asking { id, rounds, declined: declined(given) });
            return Ok(Round { hold, token, ..Round::default() });
        }
        let input = InputGiven { responses: given.responses.clone(), state: state.own };
        Ok(Round { input: Some(input), first: Some(state.first), paid: state.paid, hold: None, token })
    }

    /// Uses up the state of this round, if it has one.
    pub(super) fn spend(&self, visit: &Visit, round: &Round) -> Result<(), ForeignState> {
        match round.token {
            Some(token) if !self.spent.spend(token, millis(visit.now)) => Err(ForeignState),
            _ => Ok(()),
        }
    }

    /// The exceptions to judge a round by: the one that paid for the call stands as it does to what it paid for.
    pub(super) fn standing(
        &self,
        visit: &Visit,
        round: &Round,
        (tool, mut candidates): (&ToolRef, Vec<Candidate>),
    ) -> Vec<Candidate> {
        let Some((id, revision)) = &round.paid else { return candidates };
        let (agent, suspect) = (&visit.subject.agent, self.parts.clock.is_suspect());
        if let Some(paid) = self.parts.exceptions.paid((id, *revision), (agent, tool), visit.now, suspect) {
            candidates.retain(|candidate| candidate.grant.exception != *id);
            candidates.insert(0, paid);
        }
        candidates
    }

    /// The state that leads to the next round.
    pub(super) fn next_state(
        &self,
        visit: &Visit,
        what: &str,
        round: &Round,
        (own, paid): (Option<String>, Option<(ExceptionId, u32)>),
    ) -> Option<String> {
        let first = round.first.clone().unwrap_or_else(|| visit.id.clone());
        let state = State { first, until: millis(self.parts.clock.now()) + PATIENCE_MS, own, paid, hold: None };
        self.sealed(visit, what, &state)
    }

    /// The state that leads back to a call which waits for a person's yes.
    pub(super) fn hold_state(&self, visit: &Visit, what: &str, hold: (HoldId, u8)) -> Option<String> {
        let until = millis(self.parts.clock.now()) + PATIENCE_MS;
        self.sealed(visit, what, &State { first: visit.id.clone(), until, own: None, paid: None, hold: Some(hold) })
    }

    fn sealed(&self, visit: &Visit, what: &str, state: &State) -> Option<String> {
        let text = serde_json::to_vec(state).ok()?;
        self.seals().seal(Purpose::State, &visit.subject, &self.bound(visit, what), &text)
    }

    fn bound<'a>(&'a self, visit: &Visit, what: &'a str) -> [&'a str; 3] {
        [&self.boot, visit.method.as_str(), what]
    }
}

/// Whether the client says that it will not show the page.
fn declined(given: &InputGiven) -> bool {
    let responses = given.responses.as_ref().and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
    let action = responses.as_ref().and_then(|all| all.pointer("/hold/action")).and_then(Value::as_str);
    action.is_some_and(|action| action != "accept")
}

fn millis(at: Timestamp) -> i64 {
    at.timestamp_millis()
}

#[cfg(test)]
mod tests {
    use super::Spent;
    use crate::domain::Digest;

    /// T035
    #[test]
    fn a_state_is_good_once() {
        let spent = Spent::default();
        assert!(spent.spend(Digest::of(b"a"), 0));
        assert!(!spent.spend(Digest::of(b"a"), 1));
        assert!(spent.spend(Digest::of(b"b"), 1));
    }
}
