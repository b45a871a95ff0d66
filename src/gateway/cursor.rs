//! Cursors of lists: opaque, bound to the principal (T065).

use aws_lc_rs::{error::Unspecified, hmac, rand};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::domain::AgentId;

const TAG: usize = 32;

/// Makes and reads cursors; those of an earlier process are not read.
pub(super) struct Cursors(hmac::Key);

impl Cursors {
    pub(super) fn new() -> Result<Self, Unspecified> {
        let mut key = [0; 32];
        rand::fill(&mut key)?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    /// A cursor behind the last name that this agent was shown.
    pub(super) fn seal(&self, agent: &AgentId, last: &str) -> String {
        let tag = hmac::sign(&self.0, &bound(agent, last));
        URL_SAFE_NO_PAD.encode([tag.as_ref(), last.as_bytes()].concat())
    }

    /// The name that the cursor is behind, if it was made here for this agent.
    pub(super) fn open(&self, agent: &AgentId, cursor: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (tag, last) = bytes.split_at_checked(TAG)?;
        let last = std::str::from_utf8(last).ok()?;
        hmac::verify(&self.0, &bound(agent, last), tag).ok()?;
        Some(last.to_owned())
    }
}

fn bound(agent: &AgentId, last: &str) -> Vec<u8> {
    [agent.as_str().as_bytes(), b"\0", last.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::Cursors;
    use crate::domain::AgentId;

    /// T065
    #[test]
    fn a_cursor_serves_only_the_agent_it_was_made_for() {
        let cursors = Cursors::new().unwrap();
        let (agent, bob) = (AgentId::from("agent"), AgentId::from("bob"));
        let cursor = cursors.seal(&agent, "fs__read");
        assert_eq!(cursors.open(&agent, &cursor).as_deref(), Some("fs__read"));
        assert_eq!(cursors.open(&bob, &cursor), None);
        assert_eq!(cursors.open(&agent, &cursor[1..]), None);
    }
}
