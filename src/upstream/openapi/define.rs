//! One operation to the definition of a tool, as a tool server would list it, and to what a call needs.

use http::{HeaderValue, Method};
use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value, json, value::RawValue};

use super::{
    document::{Document, Part, Unfit, members, text},
    operation::{BODY, Body, BodyKind, Location, Operation, Parameter},
    parameter::{Described, is_json, parameters, schema_of},
    road::{template, wanted},
    schema::{Schemas, Way},
    settings::Choice,
};
use crate::{
    catalog::{Names, QuarantineReason, admit},
    domain::{ServerName, limits},
};

const FORM: &str = "application/x-www-form-urlencoded";
/// Bytes of one compiled pattern of an output schema.
const PATTERN: usize = 1 << 20;

/// Where an operation stands, and what it is called.
pub(super) struct Source<'a> {
    pub(super) document: &'a Document,
    pub(super) name: &'a str,
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    /// Its path item, then itself.
    pub(super) parts: [&'a Part<'a>; 2],
    pub(super) choice: &'a Choice,
    pub(super) server: Option<&'a str>,
}

/// A tool.
pub(super) struct Defined {
    pub(super) definition: Box<RawValue>,
    pub(super) operation: Operation,
    /// Optional parameters that it does without, and why.
    pub(super) dropped: Vec<Unfit>,
}

/// Defines a tool.
///
/// # Errors
/// Why the operation cannot be one.
pub(super) fn define(server: &ServerName, source: &Source<'_>) -> Result<Defined, Unfit> {
    let [item, part] = source.parts;
    if !source.choice.placed
        && let Some(own) = [item, part].into_iter().find(|part| part.value.get("servers").is_some())
    {
        let why = "it names `servers` of its own; set `openapi.url` so that the configuration says where the API is";
        return Err(Unfit::new(&own.at, why));
    }
    let path = template(source.path).map_err(|why| Unfit::new(&part.at, why))?;
    let mut dropped = Vec::new();
    let described = parameters(source.document, [item, part], source.choice, &mut dropped)?;
    fits_path(&path, &described, part)?;
    let body = body(source)?;
    let input = input(source, &described, body.as_ref())?;
    let mut operation = Operation {
        method: source.method.clone(),
        path,
        parameters: described.into_iter().map(|one| one.parameter).collect(),
        body: body.map(|(body, _)| body),
        digest: None,
        output: None,
    };
    let mut definition = json!({
        "name": source.name,
        "description": description(part.value),
        "inputSchema": input,
        "annotations": annotations(source.method),
    });
    if let (Some(title), Some(definition)) = (text(part.value, "summary"), definition.as_object_mut()) {
        definition.insert("title".to_owned(), Value::String(short(title, 200)));
    }
    let output = output(source);
    if let (Some(output), Some(definition)) = (output.clone(), definition.as_object_mut()) {
        definition.insert("outputSchema".to_owned(), output);
    }
    let mut raw = written(&definition, part)?;
    let mut admitted = admit(server, &raw, &mut Names::default());
    if matches!(&admitted, Err(fault) if matches!(fault.reason, QuarantineReason::OutputSchema(_))) {
        // What the answer looks like is said for convenience: without it the tool still works.
        definition.as_object_mut().and_then(|definition| definition.remove("outputSchema"));
        raw = written(&definition, part)?;
        admitted = admit(server, &raw, &mut Names::default());
    } else if admitted.is_ok() {
        operation.output = output.as_ref().and_then(validator);
    }
    // What the catalog does not admit it shows as quarantined, with the reason; it is never called.
    operation.digest = admitted.ok().map(|tool| tool.digest);
    Ok(Defined { definition: raw, operation, dropped })
}

fn written(definition: &Value, part: &Part<'_>) -> Result<Box<RawValue>, Unfit> {
    serde_json::value::to_raw_value(definition).map_err(|error| Unfit::new(&part.at, error.to_string()))
}

/// Compiles an output schema that the catalog has bounded already.
fn validator(schema: &Value) -> Option<Validator> {
    jsonschema::options()
        .offline()
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN).dfa_size_limit(PATTERN))
        .build(schema)
        .ok()
}

fn fits_path(path: &[super::operation::Segment], described: &[Described<'_>], part: &Part<'_>) -> Result<(), Unfit> {
    let wanted = wanted(path);
    let has =
        |name: &str| described.iter().any(|one| one.parameter.location == Location::Path && one.parameter.wire == name);
    if let Some(missing) = wanted.iter().find(|name| !has(name)) {
        let why = format!("the path holds `{{{}}}`, which is none of its parameters; add it", missing.escape_debug());
        return Err(Unfit::new(&part.at, why));
    }
    let stray = described.iter().map(|one| &one.parameter);
    let stray = stray.filter(|one| one.location == Location::Path).find(|one| !wanted.contains(one.wire.as_str()));
    if let Some(stray) = stray {
        let why = format!("the path has no `{{{}}}` for its parameter; add it", stray.wire.escape_debug());
        return Err(Unfit::new(&part.at, why));
    }
    let mut names = std::collections::BTreeSet::from([BODY]);
    for one in described {
        if !names.insert(&one.parameter.argument) {
            let why = format!("two parameters would be the argument `{}`", one.parameter.argument.escape_debug());
            return Err(Unfit::new(&part.at, why));
        }
    }
    Ok(())
}

/// The body, and its schema.
fn body<'a>(source: &Source<'a>) -> Result<Option<(Body, Option<Part<'a>>)>, Unfit> {
    let part = source.parts[1];
    let Some(body) = source.document.below(part, "requestBody")? else { return Ok(None) };
    let required = body.value.get("required") == Some(&Value::Bool(true));
    if source.method == Method::GET {
        if required {
            return Err(Unfit::new(&body.at, "a GET does not carry a body"));
        }
        return Ok(None);
    }
    let content = Part { at: format!("{}/content", body.at), value: body.value.get("content").unwrap_or(&Value::Null) };
    let kinds: Vec<&str> = members(Some(content.value)).map(|(kind, _)| kind.as_str()).collect();
    let plain = |kind: &str| kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json");
    let json = kinds.iter().find(|kind| plain(kind)).or_else(|| kinds.iter().find(|kind| is_json(kind)));
    let form = kinds.iter().find(|kind| kind.to_ascii_lowercase().starts_with(FORM));
    let any = kinds.iter().find(|kind| **kind == "*/*" || **kind == "application/*");
    let (kind, media, sent) = match (json, form, any) {
        (Some(kind), _, _) => (BodyKind::Json, *kind, *kind),
        (None, _, Some(kind)) => (BodyKind::Json, *kind, "application/json"),
        (None, Some(kind), None) => (BodyKind::Form, *kind, FORM),
        (None, None, None) => {
            let offered: String = kinds.join(", ").chars().take(200).flat_map(char::escape_debug).collect();
            let why = format!("its body must be application/json or {FORM}, and is `{offered}`");
            return Err(Unfit::new(&content.at, why));
        }
    };
    let content_type = HeaderValue::from_str(sent).map_err(|_| Unfit::new(&content.at, "not a media type"))?;
    let media = source.document.below(&content, media)?;
    let schema = media.as_ref().and_then(schema_of);
    Ok(Some((Body { kind, content_type, required }, schema)))
}

fn input(
    source: &Source<'_>,
    described: &[Described<'_>],
    body: Option<&(Body, Option<Part<'_>>)>,
) -> Result<Value, Unfit> {
    let mut schemas = Schemas::new(source.document, Way::Request);
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for one in described {
        let schema = match &one.schema {
            Some(part) => schemas.translate(part)?,
            None => json!({"type": "string"}),
        };
        let mut schema = if let Value::Object(schema) = schema { schema } else { Map::new() };
        if let Some(description) = one.description
            && !schema.contains_key("description")
        {
            schema.insert("description".to_owned(), Value::String(short(description, limits::DESCRIPTION)));
        }
        if one.parameter.required {
            required.push(one.parameter.argument.clone());
        }
        properties.insert(one.parameter.argument.clone(), Value::Object(schema));
    }
    if let Some((body, schema)) = body {
        let schema = schema.as_ref().map(|part| schemas.translate(part)).transpose()?;
        properties.insert(BODY.to_owned(), schema.unwrap_or(Value::Bool(true)));
        if body.required {
            required.push(BODY.to_owned());
        }
    }
    let mut whole = Map::new();
    whole.insert("type".to_owned(), json!("object"));
    whole.insert("$comment".to_owned(), Value::String(comment(source, described, body.map(|(body, _)| body))));
    whole.insert("properties".to_owned(), Value::Object(properties));
    whole.insert("additionalProperties".to_owned(), Value::Bool(false));
    if !required.is_empty() {
        whole.insert("required".to_owned(), json!(required));
    }
    schemas.finish(whole).map(Value::Object)
}

/// The whole mapping as a line of the schema: it is what a person approves, and a change of it is drift.
fn comment(source: &Source<'_>, described: &[Described<'_>], body: Option<&Body>) -> String {
    let place = if source.choice.placed { "" } else { source.server.unwrap_or_default() };
    let mut line = format!("{} {}{}", source.method, place, source.path);
    for Described { parameter, .. } in described {
        let Parameter { argument, wire, location, style, .. } = parameter;
        line.push_str(&format!("; {argument} = {} {wire} ({})", location.name(), style.name()));
    }
    if let Some(body) = body {
        line.push_str(&format!("; {BODY} as {}", body.content_type.to_str().unwrap_or_default()));
    }
    line
}

/// The schema of the answer, if every success has the same one and it is for an object.
fn output(source: &Source<'_>) -> Option<Value> {
    let responses = source.document.below(source.parts[1], "responses").ok()??;
    let mut successes = members(Some(responses.value)).filter(|(status, _)| status.starts_with('2'));
    let ((status, _), None) = (successes.next()?, successes.next()) else { return None };
    let response = source.document.below(&responses, status).ok()??;
    let content = source.document.below(&response, "content").ok()??;
    let mut kinds = members(Some(content.value));
    let ((kind, _), None) = (kinds.next()?, kinds.next()) else { return None };
    if !is_json(kind) {
        return None;
    }
    let media = source.document.below(&content, kind).ok()??;
    let part = source.document.follow(schema_of(&media)?).ok()?;
    let mut schemas = Schemas::new(source.document, Way::Response);
    let Value::Object(root) = schemas.translate(&part).ok()? else { return None };
    if root.get("type") != Some(&json!("object")) || root.contains_key("$ref") {
        return None;
    }
    schemas.finish(root).map(Value::Object).ok()
}

fn annotations(method: &Method) -> Value {
    let reads = method == Method::GET;
    let repeats = reads || method == Method::PUT || method == Method::DELETE;
    json!({"readOnlyHint": reads, "destructiveHint": !reads, "idempotentHint": repeats, "openWorldHint": true})
}

fn description(operation: &Value) -> String {
    let summary = text(operation, "summary").unwrap_or_default().trim();
    let long = text(operation, "description").unwrap_or_default().trim();
    let mut said: Vec<&str> = [summary, long].into_iter().filter(|part| !part.is_empty()).collect();
    said.dedup();
    let mut said = said.join("\n\n");
    if operation.get("deprecated") == Some(&Value::Bool(true)) {
        said.insert_str(0, "Deprecated. ");
    }
    short(&said, limits::DESCRIPTION)
}

/// The text, cut at a character so that it has no more than this many bytes.
fn short(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        if out.len() + c.len_utf8() + '…'.len_utf8() > bytes {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}
