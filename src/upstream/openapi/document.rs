//! An OpenAPI document: its version, and references that stay inside it.

use serde_json::{Map, Value};

/// Which OpenAPI it is; the two describe schemas in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// 3.0: its own kin of JSON Schema.
    V30,
    /// 3.1: JSON Schema 2020-12.
    V31,
}

impl Dialect {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::V30 => "OpenAPI 3.0",
            Self::V31 => "OpenAPI 3.1",
        }
    }
}

/// Why a part of the document cannot be used, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unfit {
    /// JSON pointer into the document.
    pub(super) at: String,
    /// What is wrong, and how to mend it.
    pub(super) why: String,
}

impl Unfit {
    pub(super) fn new(at: &str, why: impl Into<String>) -> Self {
        Self { at: at.to_owned(), why: why.into() }
    }
}

/// A part of the document with the pointer that leads to it.
#[derive(Debug, Clone)]
pub(super) struct Part<'a> {
    pub(super) at: String,
    pub(super) value: &'a Value,
}

/// References that lead to a reference.
const CHAIN: usize = 16;
/// The dialects of schemas that a 3.1 document may name.
const SCHEMAS: [&str; 2] =
    ["https://spec.openapis.org/oas/3.1/dialect/base", "https://json-schema.org/draft/2020-12/schema"];

/// A whole document.
pub(super) struct Document {
    root: Value,
    pub(super) dialect: Dialect,
}

impl Document {
    /// Takes a value for a document.
    ///
    /// # Errors
    /// It is none, or one of a version that is not read.
    pub(super) fn new(root: Value) -> Result<Self, Unfit> {
        if root.get("swagger").is_some() {
            return Err(Unfit::new("/swagger", "this is Swagger 2.0; convert it to OpenAPI 3.0 or 3.1"));
        }
        let Some(version) = root.get("openapi") else {
            return Err(Unfit::new("", "`openapi` is missing; the document must be OpenAPI 3.0 or 3.1"));
        };
        let version = version.as_str().unwrap_or_default();
        let dialect = match version {
            _ if version.starts_with("3.0.") => Dialect::V30,
            _ if version.starts_with("3.1.") => Dialect::V31,
            _ => {
                let shown: String = version.chars().take(20).flat_map(char::escape_debug).collect();
                return Err(Unfit::new("/openapi", format!("`{shown}` is not read; give OpenAPI 3.0.x or 3.1.x")));
            }
        };
        if let Some(named) = root.get("jsonSchemaDialect")
            && !named.as_str().is_some_and(|named| SCHEMAS.contains(&named.trim_end_matches('#')))
        {
            return Err(Unfit::new("/jsonSchemaDialect", "only JSON Schema 2020-12 is read; take this key out"));
        }
        if !root.get("paths").is_some_and(Value::is_object) {
            return Err(Unfit::new("/paths", "`paths` is missing or no object; without it there are no operations"));
        }
        Ok(Self { root, dialect })
    }

    /// The value at a pointer.
    pub(super) fn at(&self, pointer: &str) -> Option<&Value> {
        self.root.pointer(pointer)
    }

    /// The part that a part stands for: itself, or where its `$ref` leads.
    ///
    /// # Errors
    /// A reference to another document, to nothing, or in a circle.
    pub(super) fn follow<'a>(&'a self, part: Part<'a>) -> Result<Part<'a>, Unfit> {
        let mut part = part;
        for _ in 0..CHAIN {
            let Some(reference) = part.value.get("$ref") else { return Ok(part) };
            let pointer = target(reference, &part.at)?;
            let value = self.at(&pointer).ok_or_else(|| dangling(&part.at, &pointer))?;
            part = Part { at: pointer, value };
        }
        Err(Unfit::new(&part.at, "a `$ref` leads back to itself"))
    }

    /// The part below, where its `$ref` leads.
    ///
    /// # Errors
    /// As [`Document::follow`].
    pub(super) fn below<'a>(&'a self, part: &Part<'a>, key: &str) -> Result<Option<Part<'a>>, Unfit> {
        let Some(value) = part.value.get(key) else { return Ok(None) };
        self.follow(Part { at: format!("{}/{}", part.at, escape(key)), value }).map(Some)
    }
}

/// The pointer of a `$ref` within the document.
pub(super) fn target(reference: &Value, at: &str) -> Result<String, Unfit> {
    let text = reference.as_str().unwrap_or_default();
    let pointer = text.strip_prefix('#').filter(|pointer| pointer.is_empty() || pointer.starts_with('/'));
    let Some(pointer) = pointer else {
        let shown: String = text.chars().take(100).flat_map(char::escape_debug).collect();
        let why =
            format!("`$ref` to `{shown}` does not point into this document (`#/…`); bundle the documents into one");
        return Err(Unfit::new(at, why));
    };
    let decoded = percent_encoding::percent_decode_str(pointer).decode_utf8();
    decoded.map(std::borrow::Cow::into_owned).map_err(|_| Unfit::new(at, "a `$ref` is not UTF-8"))
}

pub(super) fn dangling(at: &str, pointer: &str) -> Unfit {
    let shown: String = pointer.chars().take(100).flat_map(char::escape_debug).collect();
    Unfit::new(at, format!("`$ref` to `#{shown}` leads to nothing"))
}

/// One step of a JSON pointer.
pub(super) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// The members of an object, or none.
pub(super) fn members(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

/// Text of a member, or nothing.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}
