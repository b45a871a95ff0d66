//! The product's tokens, as functions of text.

use postern::{
    domain::{AgentId, Credential, CredentialKind, Secret, Subject},
    gateway::{Purpose, Seals as Product},
};

/// What seals and opens.
pub struct Seals(Product);

impl Seals {
    /// Under a key of this byte.
    pub fn of(key: u8) -> Self {
        Self(Product::new(&Secret::new(vec![key; 32])).expect("a key of 32 bytes"))
    }

    /// A cursor of this agent behind this name.
    pub fn seal(&self, agent: &str, last: &str) -> String {
        self.0.seal(Purpose::Cursor, &subject(agent), &["tools/list"], last.as_bytes()).expect("a token")
    }

    /// What a cursor is behind, if it is this agent's.
    pub fn open(&self, agent: &str, cursor: &str) -> Option<String> {
        String::from_utf8(self.0.open(Purpose::Cursor, &subject(agent), &["tools/list"], cursor)?).ok()
    }

    /// Whether a cursor is taken for something else: a round, a task, another list, another way to split its bounds.
    pub fn confuses(&self, agent: &str, cursor: &str) -> bool {
        let subject = subject(agent);
        let other =
            [Purpose::State, Purpose::Task].map(|purpose| self.0.open(purpose, &subject, &["tools/list"], cursor));
        let bounds: [&[&str]; 4] = [&[], &["prompts/list"], &["tools", "/list"], &["tools/list", ""]];
        let bound = bounds.map(|bound| self.0.open(Purpose::Cursor, &subject, bound, cursor));
        other.iter().chain(&bound).any(Option::is_some)
    }
}

fn subject(agent: &str) -> Subject {
    let credential = Credential {
        id: "crd_1".parse().expect("an id"),
        kind: CredentialKind::ApiKey,
        issued: None,
        expires: chrono::DateTime::<chrono::Utc>::MAX_UTC,
    };
    Subject { agent: AgentId::from(agent), roles: [].into(), on_behalf_of: None, credential, taints: [].into() }
}
