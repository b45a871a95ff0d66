//! The strict scan: one pass over JSON text that refuses whatever two readers could understand differently.

use crate::domain::limits;

use super::scan::Scan;

/// What a scan allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How deep objects and arrays may nest.
    pub depth: usize,
    /// Whether a number must be one that every reader agrees on: no integer outside ±(2^53−1).
    pub safe_numbers: bool,
    /// Whether the text may be an array of messages.
    pub batch: bool,
}

impl Limits {
    /// For what agents send.
    pub const REQUEST: Self = Self { depth: limits::DEPTH, safe_numbers: true, batch: false };
    /// For what agents of revision 2025-03-26 send.
    pub const BATCH: Self = Self { depth: limits::DEPTH + 1, safe_numbers: true, batch: true };
    /// For what tool servers send: schemas nest deeper, and numbers are not judged.
    pub const ANSWER: Self = Self { depth: 2 * limits::DEPTH, safe_numbers: false, batch: false };
}

/// Why a body is not a message that is read here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The bytes are not UTF-8.
    #[error("the body is not valid UTF-8")]
    NotUtf8,
    /// The text is not an object.
    #[error("the body must be one JSON object")]
    NotAnObject,
    /// The text is an array.
    #[error("batches are not served in this revision")]
    Batch,
    /// The text is not JSON (RFC 8259).
    #[error("not valid JSON at byte {0}")]
    Syntax(usize),
    /// Something stands after the end.
    #[error("something stands after the message, at byte {0}")]
    Trailing(usize),
    /// It nests too deep.
    #[error("nested too deep at byte {0}")]
    Depth(usize),
    /// A key stands twice in one object.
    #[error("the key `{0}` stands twice in one object")]
    DuplicateKey(String),
    /// A key holds a control character.
    #[error("a key holds a control character, at byte {0}")]
    ControlInKey(usize),
    /// An escape is half of a surrogate pair.
    #[error("half of a surrogate pair at byte {0}")]
    Surrogate(usize),
    /// A number that readers would understand differently.
    #[error("the number at byte {0} is outside what every JSON reader agrees on")]
    Number(usize),
    /// A member of the envelope is not known.
    #[error("unknown member `{0}` of the message")]
    UnknownMember(String),
    /// A key looks like a known one and is not the same.
    #[error("the key `{0}` looks like `{1}` but is not the same")]
    LookAlike(String, &'static str),
    /// A member of the envelope is missing or of the wrong kind.
    #[error("`{0}` is missing or malformed")]
    Member(&'static str),
}

impl ParseError {
    /// The JSON-RPC code to answer with.
    #[must_use]
    pub fn code(&self) -> i32 {
        match self {
            Self::NotUtf8 | Self::Syntax(_) | Self::Trailing(_) | Self::Surrogate(_) | Self::Depth(_) => {
                super::code::PARSE
            }
            Self::NotAnObject
            | Self::Batch
            | Self::DuplicateKey(_)
            | Self::ControlInKey(_)
            | Self::Number(_)
            | Self::UnknownMember(_)
            | Self::LookAlike(..)
            | Self::Member(_) => super::code::INVALID_REQUEST,
        }
    }
}

/// Scans a body and gives it back as text, if nothing in it could be understood in two ways.
///
/// Duplicate keys (compared after unescaping) are refused at every depth, as are control characters in keys,
/// halves of surrogate pairs, nesting beyond the limit and text after the end.
///
/// # Errors
/// The first fault.
pub fn scan(bytes: &[u8], limits: Limits) -> Result<&str, ParseError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ParseError::NotUtf8)?;
    Scan::new(text, limits).document()?;
    Ok(text)
}
