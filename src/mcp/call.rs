//! The params of `tools/call`, and what `_meta` says.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{Id, Params, ParseError, fold, message};

/// W3C baggage of at most this many bytes is read; more is left out (T030).
const BAGGAGE: usize = 8_192;
/// W3C tracestate of at most this many bytes is read.
const TRACESTATE: usize = 512;

/// The params of `tools/call`.
#[derive(Debug)]
pub struct CallParams<'a> {
    /// The tool's name.
    pub name: Cow<'a, str>,
    /// Its arguments: an object, if given.
    pub arguments: Option<&'a RawValue>,
    /// What `_meta` says.
    pub meta: Meta<'a>,
    /// Members that are not known here, in order.
    pub passthrough: Vec<(Box<str>, Box<RawValue>)>,
}

impl<'a> CallParams<'a> {
    /// Reads the params of `tools/call`.
    ///
    /// # Errors
    /// A member that is missing or of the wrong kind; a control character in the name.
    pub fn read(params: &Params<'a>) -> Result<Self, ParseError> {
        Self::with(params, Meta::read(params)?)
    }

    /// The same, with a `_meta` that was read before.
    ///
    /// # Errors
    /// A member that is missing or of the wrong kind; a control character in the name.
    pub fn with(params: &Params<'a>, meta: Meta<'a>) -> Result<Self, ParseError> {
        let name = params.text("name").filter(|name| !name.contains(char::is_control));
        let name = name.ok_or(ParseError::Member("params.name"))?;
        let arguments = params.get("arguments");
        if arguments.is_some_and(|arguments| !arguments.get().starts_with('{')) {
            return Err(ParseError::Member("params.arguments"));
        }
        let known = |key: &str| matches!(key, "name" | "arguments" | "_meta");
        let passthrough =
            params.iter().filter(|(key, _)| !known(key)).map(|(key, value)| (key.into(), value.to_owned())).collect();
        Ok(Self { name, arguments, meta, passthrough })
    }
}

/// What `params._meta` says. What is malformed or too long and not required is left out.
#[derive(Debug, Default)]
pub struct Meta<'a> {
    /// The token for progress: a string or an integer.
    pub progress_token: Option<&'a RawValue>,
    /// A well-formed W3C `traceparent`.
    pub traceparent: Option<Cow<'a, str>>,
    /// W3C `tracestate`.
    pub tracestate: Option<Cow<'a, str>>,
    /// W3C baggage.
    pub baggage: Option<Cow<'a, str>>,
    /// The revision; its presence makes a request modern.
    pub protocol_version: Option<Cow<'a, str>>,
    /// What the client can do: an object.
    pub client_capabilities: Option<&'a RawValue>,
    /// What the client calls itself: an object, for display only.
    pub client_info: Option<&'a RawValue>,
    /// The least severe level of log messages that are wanted; judged by whom it concerns.
    pub log_level: Option<&'a RawValue>,
}

impl<'a> Meta<'a> {
    /// Reads `_meta` of these params.
    ///
    /// # Errors
    /// A key that looks like a known one; a token or a revision of the wrong kind.
    pub fn read(params: &Params<'a>) -> Result<Self, ParseError> {
        let Some(raw) = params.get("_meta") else { return Ok(Self::default()) };
        let members = message::members(raw.get())?;
        message::distinct(&members, &fold::META)?;
        let mut meta = Self::default();
        for (key, value) in members {
            let object = value.get().starts_with('{').then_some(value);
            let text = |bound: usize| {
                message::string(value).filter(|text| text.len() <= bound && !text.contains(char::is_control))
            };
            match key.as_ref() {
                "progressToken" => {
                    meta.progress_token = Some(Id::read(value).map_err(|_| ParseError::Member("progressToken"))?.raw())
                }
                "traceparent" => meta.traceparent = text(64).filter(|text| is_traceparent(text)),
                "tracestate" => meta.tracestate = text(TRACESTATE),
                "baggage" => meta.baggage = text(BAGGAGE),
                "io.modelcontextprotocol/protocolVersion" => {
                    let version = text(64).ok_or(ParseError::Member("protocolVersion"))?;
                    meta.protocol_version = Some(version);
                }
                "io.modelcontextprotocol/clientCapabilities" => meta.client_capabilities = object,
                "io.modelcontextprotocol/clientInfo" => meta.client_info = object,
                "io.modelcontextprotocol/logLevel" => meta.log_level = Some(value),
                _ => {}
            }
        }
        Ok(meta)
    }
}

/// Whether a text is a `traceparent` of W3C Trace Context level 1.
fn is_traceparent(text: &str) -> bool {
    let hex =
        |part: &str, len: usize| part.len() == len && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let some = |part: &str| part.bytes().any(|b| b != b'0');
    let parts: Vec<_> = text.split('-').collect();
    match parts.as_slice() {
        [version, trace, parent, flags, rest @ ..] => {
            hex(version, 2)
                && *version != "ff"
                && (rest.is_empty() || *version != "00")
                && hex(trace, 32)
                && some(trace)
                && hex(parent, 16)
                && some(parent)
                && hex(flags, 2)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_traceparent;

    /// T030
    #[test]
    fn a_traceparent_is_well_formed_or_left_out() {
        assert!(is_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
        for bad in [
            "",
            "garbage",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            assert!(!is_traceparent(bad), "{bad}");
        }
    }
}
