//! Results of tool servers: pages of tools, what a server says of itself, and results made ready for any era.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::mcp::{ParseError, emit, members, message};

/// A result that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResultFault {
    /// It is not an object with the members that it must have.
    #[error("the result is malformed")]
    Malformed(#[from] ParseError),
    /// It is not complete: the server wants input, or made a task of it.
    #[error("the result is of the type `{0}`, which is not served")]
    Type(String),
}

/// One page of a server's tools.
#[derive(Debug)]
pub struct ToolPage<'a> {
    /// The definitions, as they were sent.
    pub tools: Vec<&'a RawValue>,
    /// Where the next page begins; an empty string is a cursor too.
    pub next_cursor: Option<String>,
}

/// Reads the result of `tools/list`.
///
/// # Errors
/// A result of another shape.
pub fn tools(result: &[u8]) -> Result<ToolPage<'_>, ResultFault> {
    let members = object(result)?;
    let tools = get(&members, "tools").and_then(|raw| serde_json::from_str(raw.get()).ok());
    let next_cursor = match get(&members, "nextCursor").filter(|cursor| cursor.get() != "null") {
        Some(cursor) => Some(message::string(cursor).ok_or(ParseError::Member("nextCursor"))?.into_owned()),
        None => None,
    };
    Ok(ToolPage { tools: tools.ok_or(ParseError::Member("tools"))?, next_cursor })
}

/// What a server says in answer to `initialize` or `server/discover`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The revisions it speaks, as it names them; one for `initialize`.
    pub versions: Vec<String>,
    /// Whether it offers tools.
    pub tools: bool,
    /// Whether it tells of changes of its list of tools.
    pub list_changed: bool,
}

/// Reads the result of `initialize` or `server/discover`.
///
/// # Errors
/// A result of another shape.
pub fn server(result: &[u8]) -> Result<Server, ResultFault> {
    let top = object(result)?;
    let versions = match (get(&top, "supportedVersions"), get(&top, "protocolVersion")) {
        (Some(several), _) => {
            serde_json::from_str(several.get()).map_err(|_| ParseError::Member("supportedVersions"))?
        }
        (None, Some(one)) => vec![message::string(one).ok_or(ParseError::Member("protocolVersion"))?.into_owned()],
        (None, None) => return Err(ParseError::Member("protocolVersion").into()),
    };
    let capabilities = get(&top, "capabilities").ok_or(ParseError::Member("capabilities"))?;
    let tools = get(&members(capabilities.get())?, "tools");
    let list_changed = match tools {
        Some(tools) => get(&members(tools.get())?, "listChanged").is_some_and(|changed| changed.get() == "true"),
        None => false,
    };
    Ok(Server { versions, tools: tools.is_some(), list_changed })
}

/// A result that fits any era: `resultType`, `ttlMs`, `cacheScope` and reserved members of `_meta` are gone.
#[derive(Debug, Clone)]
pub struct Complete {
    /// The JSON object.
    pub result: Bytes,
    /// Whether the tool says that it failed.
    pub is_error: bool,
}

/// Makes a result of `tools/call` ready. Members of `_meta` under MCP's names or Postern's are the server's claim
/// to speak for somebody else, and are left out.
///
/// # Errors
/// A result that is no object, or of a type that is not `complete`.
pub fn complete(result: &[u8]) -> Result<Complete, ResultFault> {
    let members = object(result)?;
    let mut is_error = false;
    let mut changed = false;
    let mut kept: Vec<(&str, Cow<'_, [u8]>)> = Vec::with_capacity(members.len());
    for (key, value) in &members {
        match key.as_ref() {
            "resultType" => {
                let kind = message::string(value).ok_or(ParseError::Member("resultType"))?;
                if kind != "complete" {
                    return Err(ResultFault::Type(kind.chars().take(40).collect()));
                }
                changed = true;
            }
            "ttlMs" | "cacheScope" => changed = true,
            "_meta" => match meta(value)? {
                Some(meta) => {
                    changed = true;
                    if meta.len() > 2 {
                        kept.push((key, meta.into()));
                    }
                }
                None => kept.push((key, value.get().as_bytes().into())),
            },
            _ => {
                is_error |= key == "isError" && value.get() == "true";
                kept.push((key, value.get().as_bytes().into()));
            }
        }
    }
    let pieces: Vec<_> = kept.iter().map(|(key, value)| (*key, value.as_ref())).collect();
    let result = if changed { emit::object(&pieces) } else { Bytes::copy_from_slice(result) };
    Ok(Complete { result: emit::one_line(result), is_error })
}

/// `_meta` without reserved members, if it holds any.
fn meta(raw: &RawValue) -> Result<Option<Vec<u8>>, ParseError> {
    let members = members(raw.get())?;
    let kept: Vec<_> = members
        .iter()
        .filter(|(key, _)| !reserved(key))
        .map(|(key, value)| (key.as_ref(), value.get().as_bytes()))
        .collect();
    Ok((kept.len() < members.len()).then(|| emit::object(&kept).into()))
}

/// Whether a key of `_meta` belongs to MCP (a label before `/` that says `modelcontextprotocol` or `mcp`) or to us.
fn reserved(key: &str) -> bool {
    let Some((prefix, _)) = key.split_once('/') else { return false };
    prefix
        .split('.')
        .any(|label| ["modelcontextprotocol", "mcp", "postern"].iter().any(|own| label.eq_ignore_ascii_case(own)))
}

fn object(result: &[u8]) -> Result<Vec<(Cow<'_, str>, &RawValue)>, ParseError> {
    members(std::str::from_utf8(result).map_err(|_| ParseError::NotUtf8)?)
}

fn get<'a>(members: &[(Cow<'_, str>, &'a RawValue)], key: &str) -> Option<&'a RawValue> {
    members.iter().find(|(name, _)| name == key).map(|(_, value)| *value)
}
