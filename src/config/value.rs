//! A value that may be a secret: text in the file, or the place where it is kept.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::load::Environment;
use crate::domain::Secret;

/// A value for a header or a variable of a tool server.
#[derive(Debug, Clone)]
pub enum ConfiguredValue {
    /// Text of the file.
    Plain(String),
    /// A secret that was read from a file or from the environment.
    Secret(Secret<String>),
}

impl ConfiguredValue {
    /// The text, for the one place that sends it.
    #[must_use]
    pub const fn expose(&self) -> &String {
        match self {
            Self::Plain(text) => text,
            Self::Secret(secret) => secret.expose(),
        }
    }
}

/// Values that stand in examples and so are no secrets (T169).
const PLACEHOLDERS: [&str; 12] = [
    "changeme",
    "change-me",
    "change_me",
    "secret",
    "password",
    "passw0rd",
    "token",
    "example",
    "placeholder",
    "test",
    "admin",
    "secret-api-key",
];

/// Parts of names that say that the value is a credential.
const CREDENTIAL_WORDS: [&str; 9] =
    ["authorization", "cookie", "token", "secret", "password", "passwd", "api-key", "apikey", "credential"];

/// Reads `text`, `{env: NAME}` or `{file: PATH}`; the name tells whether text may stand in the file.
pub(super) fn configured(
    name: &str,
    value: &Value,
    base: &Path,
    environment: Environment<'_>,
) -> Result<ConfiguredValue, String> {
    if let Some(text) = value.as_str() {
        let plain = name.to_ascii_lowercase().replace('_', "-");
        if CREDENTIAL_WORDS.iter().any(|word| plain.contains(word)) {
            return Err("a secret does not stand in this file; write `{env: NAME}` or `{file: PATH}`".to_owned());
        }
        return Ok(ConfiguredValue::Plain(text.to_owned()));
    }
    let text = match (value.get("env").and_then(Value::as_str), value.get("file").and_then(Value::as_str)) {
        (Some(variable), _) => environment(variable)
            .ok_or_else(|| format!("the environment variable `{variable}` is not set; set it and start again"))?,
        (None, Some(path)) => secret_file(&base.join(path))?,
        (None, None) => return Err("write either `{env: NAME}` or `{file: PATH}`".to_owned()),
    };
    let text = text.trim_end_matches(['\r', '\n']).to_owned();
    if text.is_empty() {
        return Err("the secret is empty".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("the secret holds control characters; keep it on one line".to_owned());
    }
    let bare = text.rsplit(' ').next().unwrap_or_default().to_ascii_lowercase();
    if PLACEHOLDERS.contains(&bare.as_str()) {
        return Err("the secret is a placeholder from an example; put the real one in its place".to_owned());
    }
    Ok(ConfiguredValue::Secret(Secret::new(text)))
}

/// Reads a file that only its owner may read (T166).
fn secret_file(path: &PathBuf) -> Result<String, String> {
    let shown = path.display();
    owner_only(path)?;
    fs::read_to_string(path).map_err(|error| format!("cannot read `{shown}`: {error}"))
}

/// Refuses a secret file that others than its owner may read or write.
pub(super) fn owner_only(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let facts = fs::metadata(path).map_err(|error| format!("cannot read `{shown}`: {error}"))?;
    if !facts.is_file() {
        return Err(format!("`{shown}` is not a file"));
    }
    if facts.permissions().mode() & 0o077 != 0 {
        return Err(format!("`{shown}` can be read by others than its owner; run `chmod 600 {shown}`"));
    }
    Ok(())
}
