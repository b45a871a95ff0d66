//! Tokens that callers carry and cannot read: cursors of lists, states of rounds, ids of tasks (T035, T065).

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    error::Unspecified,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::domain::{Secret, Subject};

/// Characters of a token.
const LONGEST: usize = 512 << 10;

/// What a token is for; one is never taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Where a page of a list begins.
    Cursor,
    /// A round of a request.
    State,
    /// A task of a tool server.
    Task,
}

/// Seals and opens tokens (AES-256-GCM). Each is bound to its purpose, its principal, and whatever else is named.
#[derive(Debug)]
pub struct Seals(RandomizedNonceKey);

impl Seals {
    /// Under this key of 32 bytes.
    ///
    /// # Errors
    /// A key of another size.
    pub fn new(key: &Secret<Vec<u8>>) -> Result<Self, Unspecified> {
        RandomizedNonceKey::new(&AES_256_GCM, key.expose()).map(Self)
    }

    /// A token that holds this text; none if the library refuses.
    #[must_use]
    pub fn seal(&self, purpose: Purpose, subject: &Subject, bound: &[&str], text: &[u8]) -> Option<String> {
        let mut sealed = text.to_vec();
        let aad = Aad::from(bind(purpose, subject, bound));
        let nonce = self.0.seal_in_place_append_tag(aad, &mut sealed).ok()?;
        let mut bytes = nonce.as_ref().to_vec();
        bytes.append(&mut sealed);
        Some(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The text, if the token was made here for the same purpose, principal and rest.
    #[must_use]
    pub fn open(&self, purpose: Purpose, subject: &Subject, bound: &[&str], token: &str) -> Option<Vec<u8>> {
        if token.len() > LONGEST {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (nonce, text) = bytes.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let opened = self.0.open_in_place(nonce, Aad::from(bind(purpose, subject, bound)), &mut text).ok()?;
        Some(opened.to_vec())
    }
}

/// Each part with its length before it, so that no two lists of parts look alike.
fn bind(purpose: Purpose, subject: &Subject, bound: &[&str]) -> Vec<u8> {
    let label = match purpose {
        Purpose::Cursor => "cursor",
        Purpose::State => "state",
        Purpose::Task => "task",
    };
    let person = subject.on_behalf_of.as_ref().map_or("", |delegator| delegator.person.as_str());
    let parts = [label, subject.agent.as_str(), person].into_iter().chain(bound.iter().copied());
    parts.flat_map(|part| [&(part.len() as u64).to_be_bytes()[..], part.as_bytes()].concat()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Purpose, Seals};
    use crate::domain::{AgentId, Credential, CredentialKind, Secret, Subject};

    fn subject(agent: &str) -> Subject {
        let credential = Credential {
            id: "crd_1".parse().unwrap(),
            kind: CredentialKind::ApiKey,
            issued: None,
            expires: chrono::DateTime::<chrono::Utc>::MAX_UTC,
        };
        Subject { agent: AgentId::from(agent), roles: [].into(), on_behalf_of: None, credential, taints: [].into() }
    }

    /// T035, T065
    #[test]
    fn a_token_opens_for_its_purpose_its_principal_and_its_request_alone() {
        let seals = Seals::new(&Secret::new(vec![7; 32])).unwrap();
        let (agent, bob) = (subject("agent"), subject("bob"));
        let token = seals.seal(Purpose::State, &agent, &["a", "bc"], b"text").unwrap();
        assert_eq!(seals.open(Purpose::State, &agent, &["a", "bc"], &token).as_deref(), Some(&b"text"[..]));
        assert_eq!(seals.open(Purpose::State, &bob, &["a", "bc"], &token), None);
        assert_eq!(seals.open(Purpose::Task, &agent, &["a", "bc"], &token), None);
        assert_eq!(seals.open(Purpose::State, &agent, &["ab", "c"], &token), None);
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(seals.open(Purpose::State, &agent, &["a", "bc"], &changed), None, "{at}");
        }
        assert_eq!(
            Seals::new(&Secret::new(vec![8; 32])).unwrap().open(Purpose::State, &agent, &["a", "bc"], &token),
            None
        );
    }
}
