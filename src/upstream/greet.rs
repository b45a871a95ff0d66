//! What the first answer of a server says of its era.

use crate::{
    mcp::{
        Era, MODERN, Version,
        client::{self, Answer, Server},
        code, members,
    },
    upstream::FailureKind,
};

/// The oldest revision; spoken to servers only.
const OLDEST: Version = Version { era: Era::Legacy, name: "2024-11-05" };

/// What the answer to `server/discover` says.
pub(super) enum Greeting {
    /// It is a modern server.
    Modern(Server),
    /// It refused the revision that it says it speaks: it is asked once more.
    Again,
    /// It does not speak the modern revision.
    Legacy,
}

/// Reads the answer to `server/discover`.
///
/// Any error but those that only a modern server knows says that it is a legacy one; no single code is trusted.
pub(super) fn modern(answer: &Answer) -> Result<Greeting, FailureKind> {
    let speaks = |versions: &[String]| versions.iter().any(|version| version == MODERN);
    match answer {
        Answer::Result(result) => {
            let server = client::server(result).ok().filter(|server| speaks(&server.versions));
            Ok(server.map_or(Greeting::Legacy, Greeting::Modern))
        }
        Answer::Error(failure) if failure.code == i64::from(code::UNSUPPORTED_VERSION) => {
            let supported = failure.data.as_deref().and_then(|data| members(data.get()).ok()).unwrap_or_default();
            let supported = supported.iter().find(|(key, _)| key == "supported");
            let supported: Vec<String> =
                supported.and_then(|(_, all)| serde_json::from_str(all.get()).ok()).unwrap_or_default();
            Ok(if speaks(&supported) { Greeting::Again } else { Greeting::Legacy })
        }
        Answer::Error(failure) => {
            let modern = [code::HEADER_MISMATCH, code::MISSING_CAPABILITY].map(i64::from);
            if modern.contains(&failure.code) { Err(FailureKind::Unsupported) } else { Ok(Greeting::Legacy) }
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
