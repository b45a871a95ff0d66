//! Names of servers and tools, and the pair that a decision is about.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A name breaks the rule of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` cannot be a {kind}: {rule}")]
pub struct NameError {
    name: String,
    kind: &'static str,
    rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                let check: fn(&str) -> bool = $check;
                if check(name) {
                    return Ok(Self(name.into()));
                }
                let shown = name.chars().take(80).flat_map(char::escape_debug).collect();
                Err(NameError { name: shown, kind: $kind, rule: $rule })
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

name!(
    /// A tool server's name in the configuration: `[a-z0-9-]{1,32}`, so it never holds a separator (T062).
    ServerName, "server name", "1 to 32 of a-z 0-9 -",
    |name| (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
);
name!(
    /// A tool's name at its server: `[A-Za-z0-9_.-]{1,128}` (MCP 2026-07-28 server/tools, a SHOULD that is a MUST here: T063).
    ToolName, "tool name", "1 to 128 of A-Z a-z 0-9 _ . -",
    |name| (1..=128).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
);
name!(
    /// The name that agents see: `server__tool`, at most 64 characters, or the tool's own on `/mcp/{server}`.
    ExposedName, "exposed tool name", "1 to 128 of A-Z a-z 0-9 _ . -",
    |name| (1..=128).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
);

/// A tool of a server. Policies, exceptions and evidence name tools only by this pair; text form `server/tool`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ToolRef {
    /// The server that offers the tool.
    pub server: ServerName,
    /// The tool's name at that server.
    pub tool: ToolName,
}

impl fmt::Display for ToolRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.server, self.tool)
    }
}

#[cfg(test)]
mod tests {
    use super::{ServerName, ToolName};

    #[test]
    fn names_are_ascii_and_a_server_name_never_holds_a_separator() {
        assert!("fs-admin".parse::<ServerName>().is_ok());
        for bad in ["", "fs_admin", "FS", "a.b", "a/b"] {
            assert!(bad.parse::<ServerName>().is_err(), "{bad}");
        }
        assert!("read_file".parse::<ToolName>().is_ok());
        for bad in ["", "r\u{435}ad_file", "read\u{200b}file", "a b"] {
            assert!(bad.parse::<ToolName>().is_err(), "{bad}");
        }
    }
}
