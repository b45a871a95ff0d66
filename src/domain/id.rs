//! One type for each kind of id, each shown with its own prefix.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The text is not an id of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {kind}: it must begin with `{prefix}`, then 1 to 64 of A-Z a-z 0-9 . _ -")]
pub struct ParseIdError {
    text: String,
    kind: &'static str,
    prefix: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// What every id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// The id as text, prefix included.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// An id from 128 bits of an id source, as 32 hex digits behind the prefix.
            #[must_use]
            pub fn from_bits(bits: u128) -> Self {
                Self(format!("{}{bits:032x}", $prefix).into())
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
                match text.strip_prefix($prefix) {
                    Some(rest) if (1..=64).contains(&rest.len()) && rest.chars().all(allowed) => Ok(Self(text.into())),
                    _ => Err(ParseIdError { text: text.chars().take(80).collect(), kind: $kind, prefix: $prefix }),
                }
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

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

id!(
    /// One decision and all that follows from it; joins evidence, telemetry and the agent's answer.
    DecisionId, "dec_", "a decision id"
);
id!(
    /// An exception; chosen by people (`EX-2026-0042`) and never used again.
    ExceptionId, "EX-", "an exception id"
);
id!(
    /// A call that waits for a person's yes.
    HoldId, "hold_", "a hold id"
);
id!(
    /// A pilot: a named set of exceptions.
    PilotId, "PI-", "a pilot id"
);
id!(
    /// A credential that was verified: a key's id, or the digest of a token.
    CredentialId, "crd_", "a credential id"
);
id!(
    /// A session of the legacy eras of MCP.
    SessionId, "ses_", "a session id"
);

#[cfg(test)]
mod tests {
    use super::{DecisionId, ExceptionId};

    #[test]
    fn an_id_is_read_only_with_the_prefix_of_its_kind() {
        assert!("EX-2026-0042".parse::<ExceptionId>().is_ok());
        assert!("dec_1".parse::<ExceptionId>().is_err());
        assert!("EX-".parse::<ExceptionId>().is_err());
        assert!("EX-a b".parse::<ExceptionId>().is_err());
        assert_eq!(DecisionId::from_bits(7).as_str().len(), 4 + 32);
    }
}
