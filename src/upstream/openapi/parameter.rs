//! Parameters of an operation: where they travel, in which style, and under which argument.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    document::{Document, Part, Unfit, members, text},
    operation::{BODY, Location, Parameter, Style},
    settings::Choice,
};

/// Header parameters that OpenAPI itself says are no parameters.
const IGNORED: [&str; 3] = ["accept", "authorization", "content-type"];
/// Headers that frame or route a request, that change its method, or that the gateway sets itself.
const RESERVED: [&str; 18] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
];

/// Parameters in one list.
const PARAMETERS: usize = 256;

/// A parameter, its schema, and what is said of it.
pub(super) struct Described<'a> {
    pub(super) parameter: Parameter,
    pub(super) schema: Option<Part<'a>>,
    pub(super) description: Option<&'a str>,
}

/// All parameters of an operation; its own stand before those of its path. Optional ones that cannot be carried are
/// `dropped`: the operation works without them.
///
/// # Errors
/// The first that cannot be carried and cannot be missed.
pub(super) fn parameters<'a>(
    document: &'a Document,
    parts: [&Part<'a>; 2],
    choice: &Choice,
    dropped: &mut Vec<Unfit>,
) -> Result<Vec<Described<'a>>, Unfit> {
    let mut found: BTreeMap<(Location, String), Described<'a>> = BTreeMap::new();
    for part in parts {
        let Some(list) = part.value.get("parameters") else { continue };
        let at = format!("{}/parameters", part.at);
        let list = list.as_array().ok_or_else(|| Unfit::new(&at, "must be a list"))?;
        if list.len() > PARAMETERS {
            return Err(Unfit::new(&at, format!("more than {PARAMETERS} parameters")));
        }
        let mut here = BTreeSet::new();
        for (index, value) in list.iter().enumerate() {
            let part = document.follow(Part { at: format!("{at}/{index}"), value })?;
            let one = match read(document, &part, choice) {
                Ok(Some(one)) => one,
                Ok(None) => continue,
                Err(unfit) if optional(part.value) => {
                    dropped.push(unfit);
                    continue;
                }
                Err(unfit) => return Err(unfit),
            };
            let wire = &one.parameter.wire;
            let wire =
                if one.parameter.location == Location::Header { wire.to_ascii_lowercase() } else { wire.clone() };
            let key = (one.parameter.location, wire);
            if !here.insert(key.clone()) {
                let why = format!("the {} parameter `{}` stands twice; keep one", key.0.name(), key.1.escape_debug());
                return Err(Unfit::new(&part.at, why));
            }
            found.insert(key, one);
        }
    }
    let mut found: Vec<_> = found.into_values().collect();
    members_apart(&found, choice)?;
    name(&mut found);
    Ok(found)
}

fn optional(parameter: &Value) -> bool {
    let place = text(parameter, "in").and_then(Location::read);
    place.is_some_and(|place| place != Location::Path) && parameter.get("required") != Some(&Value::Bool(true))
}

fn read<'a>(document: &'a Document, part: &Part<'a>, choice: &Choice) -> Result<Option<Described<'a>>, Unfit> {
    let unfit = |why: String| Unfit::new(&part.at, why);
    let wire = text(part.value, "name").filter(|name| !name.is_empty()).ok_or_else(|| unfit("has no `name`".into()))?;
    let shown = wire.escape_debug();
    let location = text(part.value, "in").and_then(Location::read);
    let location = location.ok_or_else(|| unfit(format!("`in` of `{shown}` must be path, query, header or cookie")))?;
    if location == Location::Header {
        let lower = wire.to_ascii_lowercase();
        if IGNORED.contains(&lower.as_str()) || choice.own_headers.contains(&lower) {
            return Ok(None);
        }
        if RESERVED.contains(&lower.as_str()) || lower.starts_with("proxy-") {
            return Err(unfit(format!("the header `{shown}` is not for callers to set; take the parameter out")));
        }
        if wire.parse::<http::HeaderName>().is_err() {
            return Err(unfit(format!("`{shown}` is not the name of a header")));
        }
    }
    if location == Location::Query && choice.own_query.contains(wire) {
        return Ok(None);
    }
    if location == Location::Cookie {
        if choice.own_headers.contains("cookie") {
            return Err(unfit("the gateway sends `cookie` itself, so there are no cookie parameters".into()));
        }
        if wire.parse::<http::HeaderName>().is_err() {
            return Err(unfit(format!("`{shown}` is not the name of a cookie")));
        }
    }
    let (style, schema) = style(document, part, location)?;
    let kinds = schema.as_ref().map(|schema| Kinds::of(document, schema)).transpose()?.unwrap_or_default();
    check(part, location, style, &kinds)?;
    let parameter = Parameter {
        argument: wire.to_owned(),
        wire: wire.to_owned(),
        location,
        style,
        required: location == Location::Path || part.value.get("required") == Some(&Value::Bool(true)),
        members: kinds.members,
    };
    Ok(Some(Described { parameter, schema, description: text(part.value, "description") }))
}

fn style<'a>(document: &'a Document, part: &Part<'a>, location: Location) -> Result<(Style, Option<Part<'a>>), Unfit> {
    if let Some(content) = part.value.get("content") {
        let mut kinds = members(Some(content));
        let (Some((kind, _)), None) = (kinds.next(), kinds.next()) else {
            return Err(Unfit::new(&part.at, "`content` of a parameter must hold one media type"));
        };
        if !is_json(kind) {
            return Err(Unfit::new(&part.at, "a parameter's `content` must be application/json"));
        }
        let content = Part { at: format!("{}/content", part.at), value: content };
        let media = document.below(&content, kind)?;
        let schema = media.as_ref().map(|media| schema_of(media)).unwrap_or_default();
        return Ok((Style::Json, schema));
    }
    let in_query = location == Location::Query;
    let named = text(part.value, "style").unwrap_or(match location {
        Location::Path | Location::Header => "simple",
        Location::Query | Location::Cookie => "form",
    });
    let explode = part.value.get("explode").and_then(Value::as_bool).unwrap_or(named == "form");
    let style = match named {
        "simple" if matches!(location, Location::Path | Location::Header) => Style::Simple { explode },
        "form" if matches!(location, Location::Query | Location::Cookie) => Style::Form { explode },
        "spaceDelimited" | "pipeDelimited" if in_query && explode => Style::Form { explode },
        "spaceDelimited" if in_query => Style::Delimited(' '),
        "pipeDelimited" if in_query => Style::Delimited('|'),
        "deepObject" if in_query => Style::Deep,
        _ => {
            let shown: String = named.chars().take(40).flat_map(char::escape_debug).collect();
            let why = format!(
                "the style `{shown}` is not carried in the {}; use {}",
                location.name(),
                match location {
                    Location::Path | Location::Header => "simple",
                    Location::Query => "form, spaceDelimited, pipeDelimited or deepObject",
                    Location::Cookie => "form",
                }
            );
            return Err(Unfit::new(&part.at, why));
        }
    };
    Ok((style, schema_of(part)))
}

/// The schema of a parameter or media type.
pub(super) fn schema_of<'a>(part: &Part<'a>) -> Option<Part<'a>> {
    part.value.get("schema").map(|value| Part { at: format!("{}/schema", part.at), value })
}

/// Whether a media type says JSON.
pub(super) fn is_json(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || kind == "text/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

fn check(part: &Part<'_>, location: Location, style: Style, kinds: &Kinds) -> Result<(), Unfit> {
    let why = match style {
        Style::Form { .. } if location == Location::Cookie && (kinds.object || kinds.list) => {
            "a list or an object does not travel in a cookie"
        }
        Style::Form { explode: true } if kinds.object && kinds.members.is_empty() => {
            "an exploded object whose members are not named could name any parameter of the query; name its `properties`"
        }
        Style::Delimited(_) if kinds.object => "an object does not travel in this style; use deepObject",
        Style::Simple { .. } | Style::Form { .. } | Style::Delimited(_) | Style::Deep | Style::Json => return Ok(()),
    };
    Err(Unfit::new(&part.at, why))
}

/// What a schema takes, as far as it says so itself.
#[derive(Default)]
struct Kinds {
    object: bool,
    list: bool,
    members: BTreeSet<String>,
}

impl Kinds {
    fn of(document: &Document, schema: &Part<'_>) -> Result<Self, Unfit> {
        let schema = document.follow(schema.clone())?;
        let named = |kind: &str| match schema.value.get("type") {
            Some(Value::String(one)) => one == kind,
            Some(Value::Array(several)) => several.iter().any(|one| one == kind),
            _ => false,
        };
        let members = members(schema.value.get("properties")).map(|(name, _)| name.clone()).collect();
        Ok(Self { object: named("object"), list: named("array"), members })
    }
}

/// Members of exploded objects stand beside parameters of the query, so their names must be apart.
fn members_apart(found: &[Described<'_>], choice: &Choice) -> Result<(), Unfit> {
    let query = || found.iter().map(|one| &one.parameter).filter(|one| one.location == Location::Query);
    let mut taken: BTreeSet<&str> = choice.own_query.iter().map(String::as_str).collect();
    let exploded = |one: &Parameter| one.style == Style::Form { explode: true } && !one.members.is_empty();
    taken.extend(query().filter(|one| !exploded(one)).map(|one| one.wire.as_str()));
    for parameter in query().filter(|one| exploded(one)) {
        for member in &parameter.members {
            if !taken.insert(member) {
                let why = format!(
                    "the member `{}` of the exploded object `{}` is also another parameter of the query; rename one",
                    member.escape_debug(),
                    parameter.wire.escape_debug()
                );
                return Err(Unfit::new("", why));
            }
        }
    }
    Ok(())
}

/// A name that stands in two places becomes `name_in_place` in both; so does a parameter that is called `body`.
fn name(found: &mut [Described<'_>]) {
    let mut count: BTreeMap<String, usize> = BTreeMap::from([(BODY.to_owned(), 1)]);
    for one in found.iter() {
        *count.entry(one.parameter.wire.clone()).or_default() += 1;
    }
    for one in found {
        let parameter = &mut one.parameter;
        if count.get(&parameter.wire).is_some_and(|times| *times > 1) {
            parameter.argument = format!("{}_in_{}", parameter.wire, parameter.location.name());
        }
    }
}
