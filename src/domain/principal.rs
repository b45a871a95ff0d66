//! Who a call is judged as.

use std::{fmt, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{CredentialId, Duty, SignIn};

macro_rules! text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text!(
    /// The stable id of an agent, as agents.yaml and tokens have it (`spiffe://corp/agent/crm-pilot-7`).
    AgentId
);
text!(
    /// The stable id of a person (`alice@corp`). People are compared by this and by nothing else (T081).
    PersonId
);
text!(
    /// The name of a role that Cedar policies speak of.
    RoleName
);

text!(
    /// A group of people, as an identity provider asserts it.
    GroupName
);

/// How a credential was proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// A key that `postern key create` made.
    ApiKey,
    /// A JWT access token of a configured issuer (RFC 9068).
    Jwt,
}

/// The credential that a subject showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// The key's id, or the digest of the token.
    pub id: CredentialId,
    /// How it was proven.
    pub kind: CredentialKind,
    /// When it was issued; `None` where nobody says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued: Option<DateTime<Utc>>,
    /// After this it proves nothing.
    pub expires: DateTime<Utc>,
}

/// The person that an agent acts for (RFC 8693 `sub` beside `act`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegator {
    /// Who that is.
    pub person: PersonId,
    /// The person's roles: the agent and the person must both be allowed.
    pub roles: Arc<[RoleName]>,
}

/// Who a call is judged as: an agent, with the person it acts for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The agent.
    pub agent: AgentId,
    /// The agent's roles: agents.yaml and what the token asserts.
    pub roles: Arc<[RoleName]>,
    /// Whom it acts for, if anybody.
    pub on_behalf_of: Option<Delegator>,
    /// What it showed.
    pub credential: Credential,
    /// Labels of what it has seen lately, sorted, as `taint.mark` left them.
    #[serde(default)]
    pub taints: Arc<[String]>,
}

/// A person who governs: owns, requests, approves, audits or administers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Who that is.
    pub id: PersonId,
    /// What people.yaml lets this person do.
    pub duties: std::collections::BTreeSet<Duty>,
    /// What was shown.
    pub credential: Credential,
    /// How the person signed in, if the credential says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in: Option<SignIn>,
}
