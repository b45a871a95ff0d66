//! Many answers to one claim, as one.

use std::time::Duration;

use tokio::time::Instant;

use super::answer::{Answer, Claim, Example, Proof};

/// How many are named.
const NAMED: usize = 8;

/// One claim and what was found so far.
pub(super) struct Tally {
    claim: Claim,
    refuted: Option<Answer>,
    idle: Vec<String>,
    unknown: Option<String>,
    asked: usize,
    took: Duration,
}

impl Tally {
    /// Nothing asked yet.
    pub(super) const fn new(claim: Claim) -> Self {
        Self { claim, refuted: None, idle: Vec::new(), unknown: None, asked: 0, took: Duration::ZERO }
    }

    /// Whether more answers would change nothing.
    pub(super) const fn is_settled(&self) -> bool {
        self.refuted.is_some()
    }

    /// A call against the claim; none, or nobody knows.
    pub(super) fn against(&mut self, found: Result<Option<Example>, String>, since: Instant) {
        self.asked += 1;
        self.took += since.elapsed();
        match found {
            Ok(None) => {}
            Ok(Some(example)) => {
                self.refuted.get_or_insert_with(|| Answer::by(example));
            }
            Err(why) => self.unknown(why),
        }
    }

    /// Whether there is a call for the claim, of this agent and tool.
    pub(super) fn any(&mut self, found: Result<bool, String>, of: &str) {
        self.asked += 1;
        match found {
            Ok(true) => {}
            Ok(false) => self.idle.push(of.to_owned()),
            Err(why) => self.unknown(why),
        }
    }

    /// Nobody knows.
    pub(super) fn unknown(&mut self, why: String) {
        self.unknown.get_or_insert(why);
    }

    /// How many were asked, how many of them have no such call, and why nobody knows of others.
    pub(super) const fn counts(&self) -> (usize, usize, Option<&String>) {
        (self.asked, self.idle.len(), self.unknown.as_ref())
    }

    /// Time that was spent.
    pub(super) fn spent(&mut self, since: Instant) {
        self.took += since.elapsed();
    }

    /// All answers as one.
    pub(super) fn proof(self, about: &str, idle: &str) -> Proof {
        let answer = if let Some(refuted) = self.refuted {
            refuted
        } else if !self.idle.is_empty() {
            let more = self.idle.len().saturating_sub(NAMED);
            let mut why = format!("{idle}: {}", self.idle.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; "));
            if more > 0 {
                why.push_str(&format!("; and {more} more"));
            }
            Answer::Refuted { why, example: None }
        } else if let Some(why) = self.unknown {
            Answer::unknown(why)
        } else if self.asked == 0 {
            Answer::unknown("there was nothing to ask about")
        } else {
            Answer::Proven
        };
        Proof::new(about, self.claim, answer, self.took)
    }
}
