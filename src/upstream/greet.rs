//! What the first answer of a server says of its era.

use crate::{
    mcp::{
        Era, MODERN, Version,
        client::{self, Answer, Server},
        code,
    },
    upstream::FailureKind,
};

/// The oldest revision; spoken to servers only.
const OLDEST: Version = Version { era: Era::Legacy, name: "2024-11-05" };

/// Reads the answer to `server/discover`; nothing if the server does not speak the modern revision.
///
/// Any error but those that only a modern server knows says so; no single code is trusted.
pub(super) fn modern(answer: &Answer) -> Result<Option<Server>, FailureKind> {
    match answer {
        Answer::Result(result) => {
            Ok(client::server(result).ok().filter(|server| server.versions.iter().any(|version| version == MODERN)))
        }
        Answer::Error(failure) => {
            let modern = [code::HEADER_MISMATCH, code::MISSING_CAPABILITY].map(i64::from);
            if modern.contains(&failure.code) { Err(FailureKind::Unsupported) } else { Ok(None) }
        }
    }
}

/// Reads the answer to `initialize`.
pub(super) fn legacy(answer: &Answer) -> Result<(Version, Server), FailureKind> {
    let Answer::Result(result) = answer else { return Err(FailureKind::Unsupported) };
    let server = client::server(result).map_err(|_| FailureKind::Garbage)?;
    let named = server.versions.first().map_or("", String::as_str);
    let version = if named == OLDEST.name { Some(OLDEST) } else { Version::legacy(named) };
    Ok((version.ok_or(FailureKind::Unsupported)?, server))
}
