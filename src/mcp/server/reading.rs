//! A message becomes a request of the port: what it is for, its members, and what `_meta` says.

use std::{borrow::Cow, sync::Arc};

use serde_json::value::RawValue;

use crate::{
    domain::{Method, SessionId, limits},
    mcp::{Capabilities, Era, Id, InputGiven, LogLevel, Meta, Mirrored, Params, Version, members, message},
};

use super::{CallMeta, Request, RpcError, context::Context};

/// What is known of the caller beside the message.
#[derive(Debug)]
pub(super) struct Caller<'a> {
    pub(super) version: Version,
    pub(super) session: Option<&'a SessionId>,
    pub(super) capabilities: Arc<Capabilities>,
}

/// The request that a message makes.
///
/// # Errors
/// A member that is missing or of the wrong kind.
pub(super) fn request(
    context: &Context,
    caller: Caller<'_>,
    (id, method, params): (Id<'_>, Method, &Params<'_>),
    meta: CallMeta,
) -> Result<Request, RpcError> {
    let modern = caller.version.era == Era::Modern;
    let target = target(method, params)?.map(Cow::into_owned).unwrap_or_default();
    let named = matches!(method, Method::CallTool | Method::GetPrompt);
    let arguments = if named { arguments(params)? } else { None };
    let rounds = method.takes_input();
    let input = if modern && rounds { input(params)? } else { None };
    let known = |key: &str| match key {
        "_meta" => true,
        "arguments" => named,
        "inputResponses" | "requestState" => rounds,
        other => method.target() == Some(other),
    };
    Ok(Request {
        scope: context.scope.clone(),
        method,
        target,
        arguments,
        members: params.iter().filter(|(key, _)| !known(key)).map(|(key, raw)| (key.into(), flat(raw))).collect(),
        meta,
        capabilities: caller.capabilities,
        input,
        era: caller.version.era,
        origin: context.origin(caller.version, id, caller.session),
        mirrored: if modern { Mirrored::of(&context.head.headers) } else { Mirrored::default() },
    })
}

/// What a request is for, where its method names something.
pub(super) fn target<'a>(method: Method, params: &Params<'a>) -> Result<Option<Cow<'a, str>>, RpcError> {
    let Some(member) = method.target() else { return Ok(None) };
    let text = params.text(member).filter(|text| text.len() <= limits::TARGET && !text.contains(char::is_control));
    text.map(Some).ok_or_else(|| RpcError::invalid_params(format!("`params.{member}` is missing or malformed")))
}

/// What `_meta` says, with the level of log messages that was found for the request.
pub(super) fn meta(meta: &Meta<'_>, log_level: Option<LogLevel>) -> CallMeta {
    let text = |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned);
    CallMeta {
        traceparent: text(&meta.traceparent),
        tracestate: text(&meta.tracestate),
        baggage: text(&meta.baggage),
        progress_token: meta.progress_token.map(ToOwned::to_owned),
        log_level,
    }
}

/// The level that a value names.
pub(super) fn level(raw: &RawValue) -> Result<LogLevel, RpcError> {
    let level = message::string(raw).and_then(|name| LogLevel::of(&name));
    level.ok_or_else(|| RpcError::invalid_params("there is no such level of log messages"))
}

/// The cursor of a list: a string, if there is one.
pub(super) fn cursor(params: &Params<'_>) -> Result<Option<String>, RpcError> {
    let Some(raw) = params.get("cursor") else { return Ok(None) };
    let text = message::string(raw).ok_or_else(|| RpcError::invalid_params("`params.cursor` must be a string"))?;
    Ok(Some(text.into_owned()))
}

fn arguments(params: &Params<'_>) -> Result<Option<Box<RawValue>>, RpcError> {
    match params.get("arguments") {
        Some(raw) if !raw.get().starts_with('{') => {
            Err(RpcError::invalid_params("`params.arguments` is missing or malformed"))
        }
        raw => Ok(raw.map(flat)),
    }
}

fn input(params: &Params<'_>) -> Result<Option<InputGiven>, RpcError> {
    let given = InputGiven::read(params).map_err(|fault| RpcError::invalid_params(fault.to_string()))?;
    let responses = given.as_ref().and_then(|given| given.responses.as_deref());
    let responses = responses.map(|raw| members(raw.get())).transpose();
    let responses = responses.map_err(|fault| RpcError::invalid_params(fault.to_string()))?.unwrap_or_default();
    if responses.iter().any(|(_, response)| !response.get().starts_with('{')) {
        return Err(RpcError::invalid_params("each member of `params.inputResponses` must be an object"));
    }
    Ok(given.map(|given| InputGiven { responses: given.responses.as_deref().map(flat), ..given }))
}

/// The same JSON without line ends, so that it can travel on one line; they stand only between tokens.
pub(super) fn flat(raw: &RawValue) -> Box<RawValue> {
    if !raw.get().contains(['\n', '\r']) {
        return raw.to_owned();
    }
    RawValue::from_string(raw.get().replace(['\n', '\r'], " ")).unwrap_or_else(|_| raw.to_owned())
}
