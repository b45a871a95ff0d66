//! What a tool server says of itself, and the pages of its lists.

use serde_json::value::RawValue;

use crate::mcp::{Filter, List, ParseError, members, message};

use super::result::{ResultFault, get, object};

/// Extensions that a server may declare.
const EXTENSIONS: usize = 64;

/// One page of a list.
#[derive(Debug)]
pub struct Page<'a> {
    /// The definitions, as they were sent.
    pub items: Vec<&'a RawValue>,
    /// Where the next page begins; an empty string is a cursor too.
    pub next_cursor: Option<String>,
}

/// Reads a page.
///
/// # Errors
/// A result of another shape.
pub fn page(list: List, result: &[u8]) -> Result<Page<'_>, ResultFault> {
    let members = object(result)?;
    if get(&members, "resultType").is_some_and(|kind| kind.get() != r#""complete""#) {
        return Err(ParseError::Member("resultType").into());
    }
    let items = get(&members, list.member()).and_then(|raw| serde_json::from_str(raw.get()).ok());
    let next_cursor = match get(&members, "nextCursor").filter(|cursor| cursor.get() != "null") {
        Some(cursor) => Some(message::string(cursor).ok_or(ParseError::Member("nextCursor"))?.into_owned()),
        None => None,
    };
    Ok(Page { items: items.ok_or(ParseError::Member(list.member()))?, next_cursor })
}

/// What a server says in answer to `initialize` or `server/discover`.
#[derive(Debug, Clone, Default)]
pub struct Server {
    /// The revisions it speaks, as it names them; one for `initialize`.
    pub versions: Vec<String>,
    /// Its tools, if it offers any.
    pub tools: Option<Offer>,
    /// Its prompts.
    pub prompts: Option<Offer>,
    /// Its resources.
    pub resources: Option<Offer>,
    /// Whether it tells of updates of resources.
    pub subscribe: bool,
    /// Whether it completes arguments.
    pub completions: bool,
    /// Whether it sends log messages.
    pub logging: bool,
    /// The extensions that it declares, with their settings.
    pub extensions: Vec<(Box<str>, Box<RawValue>)>,
}

/// A kind of thing that a server offers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Offer {
    /// Whether it tells of changes of the list.
    pub list_changed: bool,
}

impl Server {
    /// Whether the server keeps this list.
    #[must_use]
    pub const fn keeps(&self, list: List) -> bool {
        match list {
            List::Tools => self.tools.is_some(),
            List::Prompts => self.prompts.is_some(),
            List::Resources | List::Templates => self.resources.is_some(),
        }
    }

    /// Whether it tells of changes of any list.
    #[must_use]
    pub fn tells(&self) -> bool {
        !self.changes().is_empty()
    }

    /// The changes of lists that it tells of.
    #[must_use]
    pub fn changes(&self) -> Filter {
        let tells = |offer: Option<Offer>| offer.is_some_and(|offer| offer.list_changed);
        Filter {
            tools: tells(self.tools),
            prompts: tells(self.prompts),
            resources: tells(self.resources),
            ..Filter::default()
        }
    }
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
    let capabilities = members(capabilities.get())?;
    let flag = |raw: &RawValue, name: &str| -> Result<bool, ParseError> {
        Ok(get(&members(raw.get())?, name).is_some_and(|value| value.get() == "true"))
    };
    let offer = |name: &str| -> Result<Option<Offer>, ParseError> {
        let Some(raw) = get(&capabilities, name) else { return Ok(None) };
        Ok(Some(Offer { list_changed: flag(raw, "listChanged")? }))
    };
    let extensions = match get(&capabilities, "extensions") {
        Some(raw) => members(raw.get())?
            .into_iter()
            .filter(|(_, settings)| settings.get().starts_with('{'))
            .take(EXTENSIONS)
            .map(|(key, settings)| (key.as_ref().into(), settings.to_owned()))
            .collect(),
        None => Vec::new(),
    };
    Ok(Server {
        versions,
        tools: offer("tools")?,
        prompts: offer("prompts")?,
        resources: offer("resources")?,
        subscribe: get(&capabilities, "resources").map_or(Ok(false), |raw| flag(raw, "subscribe"))?,
        completions: get(&capabilities, "completions").is_some(),
        logging: get(&capabilities, "logging").is_some(),
        extensions,
    })
}
