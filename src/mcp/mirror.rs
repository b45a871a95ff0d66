//! Arguments that headers repeat: `x-mcp-header` in a tool's schema, `Mcp-Param-*` in a request.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, value::RawValue};

use super::{HeaderFault, headers::PARAMETER, sentinel};

const ANNOTATION: &str = "x-mcp-header";

/// A tool's schema annotates headers in a way that the protocol forbids; the tool must not be listed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`x-mcp-header` at `{path}` {fault}")]
pub struct BadAnnotation {
    path: String,
    fault: &'static str,
}

/// The headers that a tool's schema wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mirrors(Vec<Mirror>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Mirror {
    header: HeaderName,
    path: Vec<String>,
}

impl Mirrors {
    /// Reads the annotations of an input schema.
    ///
    /// # Errors
    /// An annotation that is empty, not a token, twice there, not on a string, integer or boolean, or not
    /// reached through `properties` alone.
    pub fn of(schema: &Value) -> Result<Self, BadAnnotation> {
        let mut mirrors = Self::default();
        mirrors.walk(schema, &mut Vec::new(), true)?;
        Ok(mirrors)
    }

    /// Whether the schema wants no header.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The headers for these arguments; none for an argument that is null or not given.
    #[must_use]
    pub fn headers(&self, arguments: Option<&RawValue>) -> Vec<(HeaderName, HeaderValue)> {
        let Some(value) = self.value(arguments) else { return Vec::new() };
        let header = |mirror: &Mirror| {
            let text = scalar(mirror.find(&value)?)?;
            Some((mirror.header.clone(), sentinel::encode(&text)?))
        };
        self.0.iter().filter_map(header).collect()
    }

    fn value(&self, arguments: Option<&RawValue>) -> Option<Value> {
        if self.is_empty() {
            return None;
        }
        arguments.and_then(|raw| serde_json::from_str(raw.get()).ok())
    }

    fn walk(&mut self, schema: &Value, path: &mut Vec<String>, reachable: bool) -> Result<(), BadAnnotation> {
        let object = match schema {
            Value::Object(object) => object,
            Value::Array(items) => return items.iter().try_for_each(|item| self.walk(item, path, false)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return Ok(()),
        };
        if let Some(annotation) = object.get(ANNOTATION) {
            self.admit(annotation, object, path, reachable && !path.is_empty())?;
        }
        for (key, child) in object {
            match (key.as_str(), child) {
                ("const" | "default" | "enum" | "examples" | ANNOTATION, _) => {}
                ("properties", Value::Object(properties)) => {
                    for (name, property) in properties {
                        path.push(name.clone());
                        self.walk(property, path, reachable)?;
                        path.pop();
                    }
                }
                ("patternProperties" | "$defs" | "definitions" | "dependentSchemas", Value::Object(schemas)) => {
                    schemas.values().try_for_each(|schema| self.walk(schema, path, false))?;
                }
                _ => self.walk(child, path, false)?,
            }
        }
        Ok(())
    }

    fn admit(
        &mut self,
        annotation: &Value,
        object: &Map<String, Value>,
        path: &[String],
        reachable: bool,
    ) -> Result<(), BadAnnotation> {
        let bad = |fault| Err(BadAnnotation { path: path.join("/"), fault });
        let Some(token) = annotation.as_str().filter(|token| !token.is_empty()) else {
            return bad("is not a header's name");
        };
        let Ok(header) = HeaderName::try_from(format!("{PARAMETER}{token}")) else {
            return bad("is not a header's name");
        };
        if !reachable {
            return bad("is not reached through `properties` alone");
        }
        if !matches!(object.get("type").and_then(Value::as_str), Some("string" | "integer" | "boolean")) {
            return bad("is not on a string, an integer or a boolean");
        }
        if self.0.iter().any(|mirror| mirror.header == header) {
            return bad("stands twice");
        }
        self.0.push(Mirror { header, path: path.to_vec() });
        Ok(())
    }
}

impl Mirror {
    fn find<'a>(&self, arguments: &'a Value) -> Option<&'a Value> {
        self.path.iter().try_fold(arguments, |value, name| value.get(name))
    }
}

/// The `Mcp-Param-*` headers of a request.
#[derive(Debug, Clone, Default)]
pub struct Mirrored(Vec<(HeaderName, HeaderValue)>);

impl Mirrored {
    /// Those among these headers.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let mirrored = headers.iter().filter(|(name, _)| name.as_str().starts_with(PARAMETER));
        Self(mirrored.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// Holds them against the arguments (T006). Headers that the schema does not know are ignored.
    ///
    /// # Errors
    /// The first header that is missing, twice there, malformed or different.
    pub fn check(&self, mirrors: &Mirrors, arguments: Option<&RawValue>) -> Result<(), HeaderFault> {
        let value = mirrors.value(arguments);
        for mirror in &mirrors.0 {
            let name = || mirror.header.to_string();
            let expected = value.as_ref().and_then(|value| mirror.find(value)).filter(|value| !value.is_null());
            let mut given = self.0.iter().filter(|(header, _)| *header == mirror.header).map(|(_, value)| value);
            let (first, second) = (given.next(), given.next());
            match (expected, first) {
                _ if second.is_some() => return Err(HeaderFault::Twice(name())),
                (None, None) => {}
                (None, Some(_)) => return Err(HeaderFault::Mismatch(name())),
                (Some(_), None) => return Err(HeaderFault::Missing(name())),
                (Some(expected), Some(given)) => {
                    let text = sentinel::decode(given).ok_or_else(|| HeaderFault::Malformed(name()))?;
                    if !same(expected, &text) {
                        return Err(HeaderFault::Mismatch(name()));
                    }
                }
            }
        }
        Ok(())
    }
}

/// The text of a scalar, as a header carries it.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn same(expected: &Value, given: &str) -> bool {
    match expected {
        Value::String(text) => text == given,
        Value::Bool(value) => given == if *value { "true" } else { "false" },
        Value::Number(number) => {
            // A reader of JSON skips spaces; other readers of a header do not.
            let given = Some(given).filter(|given| given.trim() == *given);
            let given: Option<serde_json::Number> = given.and_then(|given| serde_json::from_str(given).ok());
            given.is_some_and(|given| {
                given == *number || (given.as_f64() == number.as_f64() && number.as_f64().is_some())
            })
        }
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}
