//! What the configuration says about an HTTP API.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
};

use http::Uri;

use crate::domain::Secret;

/// An HTTP API that a document describes.
#[derive(Debug, Clone)]
pub struct OpenApiSettings {
    /// Where its document is.
    pub document: Source,
    /// Where the API is; else the document's first server.
    pub url: Option<Uri>,
    /// Which operations become tools.
    pub choice: Choice,
    /// Headers of every request, credentials among them; no argument can stand in for them (T126).
    pub headers: BTreeMap<String, Secret<String>>,
    /// Members of every query, for APIs that want their key there.
    pub query: BTreeMap<String, Secret<String>>,
    /// Which of those values are cut out of what the API answers.
    pub secrets: Vec<Secret<String>>,
    /// Whether it may be reached on loopback and private addresses (T120).
    pub allow_private: bool,
    /// Bytes of a response that are taken.
    pub response: usize,
    /// Whether an argument in the path may hold `/`, which is sent as `%2F`.
    pub encoded_slashes: bool,
}

/// Where a document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file, read at the start and again at each refresh.
    File(PathBuf),
    /// A URL, fetched at the start and again at each refresh.
    Url(Uri),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Url(url) => url.fmt(f),
        }
    }
}

/// Which operations become tools: those that are named and those with a named tag; all if nothing is named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// By `operationId` or by the name of the tool.
    pub operations: BTreeSet<String>,
    /// By tag.
    pub tags: BTreeSet<String>,
    /// Headers that the gateway sends itself, lower case: parameters of these names are no arguments.
    pub own_headers: BTreeSet<String>,
    /// Members of the query that the gateway sends itself.
    pub own_query: BTreeSet<String>,
    /// Whether the configuration says where the API is, so that what the document says of it is not needed.
    pub placed: bool,
}

impl OpenApiSettings {
    /// Settings with the defaults of everything but the document.
    #[must_use]
    pub fn new(document: Source) -> Self {
        Self {
            document,
            url: None,
            choice: Choice::default(),
            headers: BTreeMap::new(),
            query: BTreeMap::new(),
            secrets: Vec::new(),
            allow_private: false,
            response: 1 << 20,
            encoded_slashes: false,
        }
    }
}
