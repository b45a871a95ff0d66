//! A YAML document with the line of every value, so that faults can name their place.

use std::collections::BTreeMap;

use jsonschema::Validator;
use saphyr::{LoadableYamlNode as _, MarkedYaml, Scalar, YamlData};
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

use super::Findings;

/// A YAML 1.2 document as JSON, with the line of every value. Duplicate keys, tags and aliases are refused.
#[derive(Debug, Clone)]
pub struct Document {
    /// The file, as its writer would name it; empty for a record that came over the API.
    pub file: String,
    /// The document as JSON.
    pub value: Value,
    lines: BTreeMap<String, usize>,
}

impl Document {
    /// Reads one document.
    ///
    /// # Errors
    /// Syntax errors, duplicate keys, more than one document, and values that JSON does not have.
    pub fn parse(file: &str, text: &str) -> Result<Self, Findings> {
        let nodes = MarkedYaml::load_from_str(text)
            .map_err(|error| Findings::one(file, error.marker().line(), "", error.info()))?;
        let mut read = Reader { file, lines: BTreeMap::new(), findings: Findings::default() };
        let value = match nodes.as_slice() {
            [] => Value::Object(Map::new()),
            [node] => read.value(node, ""),
            [_, second, ..] => {
                let line = second.span.start.line();
                return Err(Findings::one(file, line, "", "the file holds more than one document; keep one"));
            }
        };
        let Reader { lines, findings, .. } = read;
        findings.or(Self { file: file.to_owned(), value, lines })
    }

    /// A document that did not come from a file.
    #[must_use]
    pub fn of_value(value: Value) -> Self {
        Self { file: String::new(), value, lines: BTreeMap::new() }
    }

    /// The line of the value at this JSON pointer, or of the nearest that holds it; 0 if unknown.
    #[must_use]
    pub fn line(&self, pointer: &str) -> usize {
        let mut pointer = pointer;
        loop {
            if let Some(line) = self.lines.get(pointer) {
                return *line;
            }
            match pointer.rfind('/') {
                Some(at) => pointer = pointer.get(..at).unwrap_or_default(),
                None => return 0,
            }
        }
    }

    /// Everything in which the document breaks the schema, each with its line and path.
    #[must_use]
    pub fn faults(&self, schema: &Validator) -> Findings {
        let mut findings = Findings::default();
        for error in schema.iter_errors(&self.value) {
            let path = error.instance_path().as_str().to_owned();
            findings.push(&self.file, self.line(&path), &path, error.to_string());
        }
        findings.0.sort();
        findings
    }

    /// The document as a typed value, after the schema was satisfied.
    ///
    /// # Errors
    /// What the schema could not say, such as a malformed id.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Findings> {
        serde_json::from_value(self.value.clone())
            .map_err(|error| Findings::one(&self.file, self.line(""), "", error.to_string()))
    }

    /// One finding at a path of this document.
    pub fn find(&self, findings: &mut Findings, pointer: &str, message: impl Into<String>) {
        findings.push(&self.file, self.line(pointer), pointer, message);
    }
}

struct Reader<'a> {
    file: &'a str,
    lines: BTreeMap<String, usize>,
    findings: Findings,
}

impl Reader<'_> {
    fn value(&mut self, node: &MarkedYaml<'_>, path: &str) -> Value {
        let line = node.span.start.line();
        self.lines.entry(path.to_owned()).or_insert(line);
        match &node.data {
            YamlData::Value(scalar) => self.scalar(scalar, line, path),
            YamlData::Sequence(items) => Value::Array(
                items.iter().enumerate().map(|(index, item)| self.value(item, &format!("{path}/{index}"))).collect(),
            ),
            YamlData::Mapping(entries) => {
                let mut map = Map::new();
                for (key, item) in entries {
                    let YamlData::Value(Scalar::String(name)) = &key.data else {
                        self.findings.push(self.file, key.span.start.line(), path, "a key must be a string; quote it");
                        continue;
                    };
                    let inner = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
                    self.lines.insert(inner.clone(), key.span.start.line());
                    map.insert(name.to_string(), self.value(item, &inner));
                }
                Value::Object(map)
            }
            YamlData::Representation(..) | YamlData::Tagged(..) | YamlData::Alias(_) | YamlData::BadValue => {
                self.findings.push(self.file, line, path, "tags and aliases are not read here; write the value out");
                Value::Null
            }
        }
    }

    fn scalar(&mut self, scalar: &Scalar<'_>, line: usize, path: &str) -> Value {
        match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(value) => Value::Bool(*value),
            Scalar::Integer(value) => Value::Number((*value).into()),
            Scalar::String(value) => Value::String(value.to_string()),
            Scalar::FloatingPoint(value) => Number::from_f64(value.into_inner()).map_or_else(
                || {
                    self.findings.push(self.file, line, path, "not a number that JSON has");
                    Value::Null
                },
                Value::Number,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Document;

    #[test]
    fn every_fault_names_its_line_and_path() {
        let document = Document::parse("a.yaml", "name: 1\nlist:\n  - x: y\n").unwrap();
        let schema = jsonschema::validator_for(&serde_json::json!({
            "properties": {
                "name": {"type": "string"},
                "list": {"items": {"properties": {"x": {"type": "integer"}}}}
            }
        }))
        .unwrap();
        let faults = document.faults(&schema);
        let places: Vec<_> = faults.0.iter().map(|f| (f.line, f.path.as_str())).collect();
        assert_eq!(places, [(1, "/name"), (3, "/list/0/x")]);
    }

    #[test]
    fn a_key_that_stands_twice_is_refused() {
        let error = Document::parse("a.yaml", "a: 1\na: 2\n").unwrap_err();
        assert_eq!(error.0[0].line, 2);
    }
}
