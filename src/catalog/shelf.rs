//! What can be read: prompts, resources and templates of every server, as they are listed.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{
    Uri,
    admit::Members,
    exposed::{expose_prompt, expose_uri},
    json, text,
};
use crate::domain::{Digest, ServerName, limits};

/// Bytes of one definition.
const DEFINITION: usize = 4 * limits::SCHEMA;
/// Entries of one list of one server.
const ENTRIES: usize = limits::TOOLS_PER_SERVER;

/// What a server offers beside tools, as it declared it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Features {
    /// Prompts.
    pub prompts: bool,
    /// Resources.
    pub resources: bool,
    /// News of resources.
    pub subscribe: bool,
    /// Completion of arguments.
    pub completions: bool,
    /// Log messages.
    pub logging: bool,
    /// Extensions: identifier, and settings as JSON.
    pub extensions: Vec<(Box<str>, Box<str>)>,
}

/// What is listed of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ware {
    /// A prompt, known by its name.
    Prompt,
    /// A resource, known by its URI.
    Resource,
    /// A template of resources, known by its URI template.
    Template,
}

impl Ware {
    const fn key(self) -> &'static str {
        match self {
            Self::Prompt => "name",
            Self::Resource => "uri",
            Self::Template => "uriTemplate",
        }
    }
}

/// One prompt, resource or template.
#[derive(Debug)]
pub struct Item {
    /// Its server.
    pub server: ServerName,
    /// Its name, URI or template, as the server knows it.
    pub own: Box<str>,
    /// The same as `/mcp` knows it; the order of lists.
    pub exposed: Box<str>,
    /// The URI of a resource.
    pub uri: Option<Uri>,
    /// The definition as it is listed on `/mcp`.
    pub listed: Bytes,
    /// The definition as it is listed on `/mcp/{server}`.
    pub listed_alone: Bytes,
}

/// The definitions of one server.
#[derive(Debug, Clone, Copy)]
pub struct Wares<'a> {
    /// Of prompts.
    pub prompts: &'a [Box<RawValue>],
    /// Of resources.
    pub resources: &'a [Box<RawValue>],
    /// Of templates.
    pub templates: &'a [Box<RawValue>],
}

/// Everything that can be read at one moment: an immutable snapshot, each kind in the order of exposed names.
#[derive(Debug, Default)]
pub struct Shelf {
    prompts: BTreeMap<Box<str>, Arc<Item>>,
    resources: BTreeMap<Box<str>, Arc<Item>>,
    templates: BTreeMap<Box<str>, Arc<Item>>,
    digests: [Option<Digest>; 3],
}

impl Shelf {
    /// The shelf of these definitions. What cannot be read, names itself wrongly or hides characters is left out; of
    /// two of one name the first stays.
    #[must_use]
    pub fn build<'a>(servers: impl Iterator<Item = (&'a ServerName, Wares<'a>)>) -> Self {
        let mut shelf = Self::default();
        for (server, wares) in servers {
            shelf.prompts.extend(items(server, Ware::Prompt, wares.prompts));
            shelf.resources.extend(items(server, Ware::Resource, wares.resources));
            shelf.templates.extend(items(server, Ware::Template, wares.templates));
        }
        shelf.digests = [&shelf.prompts, &shelf.resources, &shelf.templates].map(digest);
        shelf
    }

    /// Everything of a kind, in the order of exposed names.
    pub fn of(&self, ware: Ware) -> impl Iterator<Item = &Arc<Item>> {
        self.kind(ware).values()
    }

    /// What lies behind this exposed name, in the order of exposed names.
    pub fn after(&self, ware: Ware, exposed: &str) -> impl Iterator<Item = &Arc<Item>> {
        let bounds = (std::ops::Bound::Excluded(exposed), std::ops::Bound::Unbounded);
        self.kind(ware).range::<str, _>(bounds).map(|(_, item)| item)
    }

    /// Whether a kind is the same as on another shelf.
    #[must_use]
    pub fn same(&self, other: &Self, ware: Ware) -> bool {
        let place = match ware {
            Ware::Prompt => 0,
            Ware::Resource => 1,
            Ware::Template => 2,
        };
        self.digests.get(place) == other.digests.get(place)
    }

    const fn kind(&self, ware: Ware) -> &BTreeMap<Box<str>, Arc<Item>> {
        match ware {
            Ware::Prompt => &self.prompts,
            Ware::Resource => &self.resources,
            Ware::Template => &self.templates,
        }
    }
}

fn items(server: &ServerName, ware: Ware, definitions: &[Box<RawValue>]) -> BTreeMap<Box<str>, Arc<Item>> {
    let mut items = BTreeMap::new();
    for raw in definitions.iter().take(ENTRIES) {
        match item(server, ware, raw) {
            Ok(item) => {
                items.entry(item.exposed.clone()).or_insert_with(|| Arc::new(item));
            }
            Err(reason) => tracing::warn!(%server, kind = ware.key(), reason, "a definition is left out of the lists"),
        }
    }
    items
}

fn item(server: &ServerName, ware: Ware, raw: &RawValue) -> Result<Item, String> {
    if raw.get().len() > DEFINITION {
        return Err("it is too large".to_owned());
    }
    let value = json::read(raw, 2 * limits::DEPTH).map_err(|fault| fault.to_string())?;
    let members: Members<'_> = serde_json::from_str(raw.get()).map_err(|_| "it is no object".to_owned())?;
    let own = value.get(ware.key()).and_then(serde_json::Value::as_str).filter(|own| !own.is_empty());
    let own = own.ok_or_else(|| format!("it has no `{}`", ware.key()))?;
    if let Some(place) = text::hidden(&value, "") {
        return Err(format!("it holds the hidden character {place}"));
    }
    let uri = match ware {
        Ware::Resource => Some(Uri::parse(own).map_err(|fault| fault.to_string())?),
        Ware::Prompt | Ware::Template => None,
    };
    let exposed = match ware {
        Ware::Prompt => expose_prompt(server, own),
        Ware::Resource | Ware::Template => expose_uri(server, own),
    };
    Ok(Item {
        server: server.clone(),
        listed: members.whole((ware.key(), &exposed), server),
        listed_alone: raw.get().to_owned().into(),
        own: own.into(),
        exposed: exposed.into(),
        uri,
    })
}

fn digest(items: &BTreeMap<Box<str>, Arc<Item>>) -> Option<Digest> {
    let parts: Vec<&[u8]> = items.values().map(|item| item.listed.as_ref()).collect();
    (!parts.is_empty()).then(|| Digest::of_parts(&parts))
}
