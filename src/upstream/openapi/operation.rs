//! What is known of one operation: enough to write a request from checked arguments.

use std::collections::BTreeSet;

use http::{HeaderValue, Method};
use jsonschema::Validator;

use crate::domain::Digest;

/// One operation of the API.
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) path: Vec<Segment>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<Body>,
    /// The digest of the tool that was made of it: a call of another is not sent.
    pub(super) digest: Option<Digest>,
    /// What a JSON answer must satisfy, where the tool promises it.
    pub(super) output: Option<Validator>,
}

/// What stands between two slashes of the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment(pub(super) Vec<Piece>);

/// A piece of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text of the document.
    Text(String),
    /// The value of this parameter.
    Parameter(String),
}

/// Where a parameter travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Location {
    Path,
    Query,
    Header,
    Cookie,
}

impl Location {
    pub(super) fn read(text: &str) -> Option<Self> {
        match text {
            "path" => Some(Self::Path),
            "query" => Some(Self::Query),
            "header" => Some(Self::Header),
            "cookie" => Some(Self::Cookie),
            _ => None,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookie",
        }
    }
}

/// How a value becomes text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `a,b`; members as `k,v`, exploded as `k=v`. In the path and in headers.
    Simple { explode: bool },
    /// `name=a,b`, exploded as `name=a&name=b`; members as `name=k,v`, exploded as `k=v`. In queries and cookies.
    Form { explode: bool },
    /// `name=a|b` or `name=a b`.
    Delimited(char),
    /// `name[k]=v`.
    Deep,
    /// JSON text.
    Json,
}

impl Style {
    /// Its name as the approver of a tool reads it.
    pub(super) fn name(self) -> String {
        let (name, explode) = match self {
            Self::Simple { explode } => ("simple", explode),
            Self::Form { explode } => ("form", explode),
            Self::Delimited(' ') => ("spaceDelimited", false),
            Self::Delimited(_) => ("pipeDelimited", false),
            Self::Deep => ("deepObject", false),
            Self::Json => ("json", false),
        };
        if explode { format!("{name} exploded") } else { name.to_owned() }
    }
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parameter {
    /// The argument that holds it.
    pub(super) argument: String,
    /// Its name on the wire.
    pub(super) wire: String,
    pub(super) location: Location,
    pub(super) style: Style,
    pub(super) required: bool,
    /// For an exploded object: the names that its members may have, so that no argument names another parameter.
    pub(super) members: BTreeSet<String>,
}

/// The body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) kind: BodyKind,
    pub(super) content_type: HeaderValue,
    pub(super) required: bool,
}

/// How the argument `body` becomes bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyKind {
    /// As it came.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
}

/// The argument that holds the body.
pub(super) const BODY: &str = "body";
