//! A whole document to tools: chosen, named, defined; what cannot be carried is left out and said.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, value::RawValue};

use super::{
    choice::Offer,
    define::{Defined, Source, define},
    document::{Dialect, Document, Part, Unfit, escape, members, text},
    operation::Operation,
    settings::Choice,
};
use crate::domain::{Findings, ServerName, limits};

/// Bytes of all definitions.
const TOTAL: usize = 4 * limits::ANSWER;
/// Methods that become tools; the others carry no answer or are not for callers.
const METHODS: [(&str, Method); 5] = [
    ("get", Method::GET),
    ("put", Method::PUT),
    ("post", Method::POST),
    ("delete", Method::DELETE),
    ("patch", Method::PATCH),
];

/// What a document offers.
pub(super) struct Api {
    pub(super) dialect: Dialect,
    /// Tool definitions, in the document's order of paths.
    pub(super) definitions: Vec<Box<RawValue>>,
    /// By the name of the tool.
    pub(super) operations: BTreeMap<String, Operation>,
    /// Chosen operations that are no tools, and why.
    pub(super) left_out: Findings,
    /// The URL of the document's first server, its variables filled in.
    pub(super) server: Option<String>,
}

/// An operation as it stands in the document.
struct Found<'a> {
    name: String,
    id: Option<&'a str>,
    method: Method,
    path: &'a str,
    item: Part<'a>,
    part: Part<'a>,
}

/// Reads a document.
///
/// # Errors
/// It is none, what was chosen is not there, or there is too much of it.
pub(super) fn collect(server: &ServerName, file: &str, root: Value, choice: &Choice) -> Result<Api, Findings> {
    let fault = |unfit: Unfit| Findings::one(file, 0, &unfit.at, unfit.why);
    let document = Document::new(root).map_err(fault)?;
    let mut left_out = Findings::default();
    let (found, offer) = operations(&document, choice, file, &mut left_out);
    choice.unknown(file, &offer).or(())?;
    let mut same: BTreeMap<&str, usize> = BTreeMap::new();
    for one in &found {
        *same.entry(&one.name).or_default() += 1;
    }
    if found.len() > limits::TOOLS_PER_SERVER {
        let message = format!("more than {} operations; choose with `include`", limits::TOOLS_PER_SERVER);
        return Err(Findings::one(file, 0, "/paths", message));
    }
    let mut api = Api {
        dialect: document.dialect,
        definitions: Vec::new(),
        operations: BTreeMap::new(),
        left_out: Findings::default(),
        server: first_server(&document),
    };
    let mut total = 0_usize;
    for one in &found {
        if same.get(one.name.as_str()).is_some_and(|times| *times > 1) {
            let message =
                format!("more than one operation would be the tool `{}`; give each its operationId", one.name);
            left_out.push(file, 0, &one.part.at, message);
            continue;
        }
        let source = Source {
            document: &document,
            name: &one.name,
            method: &one.method,
            path: one.path,
            parts: [&one.item, &one.part],
            choice,
            server: api.server.as_deref(),
        };
        match define(server, &source) {
            Ok(Defined { definition, operation, dropped }) => {
                for unfit in dropped {
                    let message = format!("the operation `{}` does without a parameter: {}", shown(one), unfit.why);
                    left_out.push(file, 0, &unfit.at, message);
                }
                total = total.saturating_add(definition.get().len());
                if total > TOTAL {
                    let message = "the tools would be larger than the bound; choose fewer with `include`";
                    return Err(Findings::one(file, 0, "/paths", message));
                }
                api.definitions.push(definition);
                api.operations.insert(one.name.clone(), operation);
            }
            Err(unfit) => {
                let at = if unfit.at.is_empty() { &one.part.at } else { &unfit.at };
                left_out.push(file, 0, at, format!("the operation `{}` is left out: {}", shown(one), unfit.why));
            }
        }
    }
    api.left_out = left_out;
    Ok(api)
}

fn shown(one: &Found<'_>) -> String {
    let text = one.id.map_or_else(|| format!("{} {}", one.method, one.path), str::to_owned);
    text.chars().take(120).flat_map(char::escape_debug).collect()
}

/// The chosen operations, and everything there was to choose from.
fn operations<'a>(
    document: &'a Document,
    choice: &Choice,
    file: &str,
    left_out: &mut Findings,
) -> (Vec<Found<'a>>, Offer) {
    let (mut found, mut offer) = (Vec::new(), Offer::default());
    for (path, value) in members(document.at("/paths")) {
        if path.starts_with("x-") {
            continue;
        }
        let at = format!("/paths/{}", escape(path));
        let item = match document.follow(Part { at: at.clone(), value }) {
            Ok(item) => item,
            Err(unfit) => {
                left_out.push(file, 0, &unfit.at, format!("the path is left out: {}", unfit.why));
                continue;
            }
        };
        for (key, method) in METHODS {
            let Some(value) = item.value.get(key) else { continue };
            // What is said of an operation is said where its path stands, not where a `$ref` leads.
            let part = Part { at: format!("{at}/{key}"), value };
            let id = text(value, "operationId").filter(|id| !id.is_empty());
            let name = id.map_or_else(|| fit(&format!("{key}{path}")), fit);
            let tags: Vec<&str> =
                value.get("tags").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
            offer.operations.extend([id.map_or_else(|| name.clone(), str::to_owned), name.clone()]);
            offer.tags.extend(tags.iter().map(|tag| (*tag).to_owned()));
            if choice.takes([id.unwrap_or_default(), &name], &tags) {
                found.push(Found { name, id, method, path, item: item.clone(), part });
            }
        }
    }
    (found, offer)
}

/// A name made to fit the rule for tools: runs of other characters become one `_`.
fn fit(text: &str) -> String {
    let mut name = String::new();
    let mut gap = false;
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') {
            if gap && !name.is_empty() {
                name.push('_');
            }
            gap = false;
            name.push(c);
        } else {
            gap = true;
        }
    }
    if name.is_empty() {
        name.push('_');
    }
    name.truncate(128);
    name
}

/// The URL of the document's first server.
fn first_server(document: &Document) -> Option<String> {
    let server = document.at("/servers/0")?;
    let mut url = text(server, "url")?.to_owned();
    for (name, variable) in members(server.get("variables")) {
        url = url.replace(&format!("{{{name}}}"), text(variable, "default").unwrap_or_default());
    }
    Some(url)
}
