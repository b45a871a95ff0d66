//! Bounds on a tool's input schema: size, depth, local references, expansion (T071).

use std::collections::HashSet;

use serde_json::Value;

use crate::domain::limits;

/// Checks a schema before it is compiled.
///
/// # Errors
/// What is wrong, to be read after "the input schema".
pub fn within_bounds(schema: &Value) -> Result<(), String> {
    let size = serde_json::to_vec(schema).map_or(usize::MAX, |bytes| bytes.len());
    if size > limits::SCHEMA {
        return Err(format!("is larger than {} bytes", limits::SCHEMA));
    }
    let mut walk = Walk { root: schema, left: limits::SCHEMA_EXPANSIONS, open: HashSet::new() };
    walk.visit(schema, 0)
}

struct Walk<'a> {
    root: &'a Value,
    left: usize,
    open: HashSet<String>,
}

impl Walk<'_> {
    fn visit(&mut self, value: &Value, depth: usize) -> Result<(), String> {
        if depth > limits::DEPTH {
            return Err(format!("is nested deeper than {}", limits::DEPTH));
        }
        self.left = self.left.checked_sub(1).ok_or_else(|| format!("expands to more than {} parts", limits::SCHEMA_EXPANSIONS))?;
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.visit(item, depth + 1)),
            Value::Object(map) => {
                for key in ["$ref", "$dynamicRef"] {
                    if let Some(Value::String(target)) = map.get(key) {
                        self.follow(target, depth)?;
                    }
                }
                map.values().try_for_each(|item| self.visit(item, depth + 1))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    fn follow(&mut self, target: &str, depth: usize) -> Result<(), String> {
        let Some(pointer) = target.strip_prefix('#') else {
            return Err(format!("refers to `{}`; only references inside it are followed", target.chars().take(80).collect::<String>()));
        };
        if !self.open.insert(pointer.to_owned()) {
            return Ok(());
        }
        if let Some(part) = self.root.pointer(pointer) {
            self.visit(part, depth + 1)?;
        }
        self.open.remove(pointer);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::within_bounds;
    use serde_json::json;

    /// T071
    #[test]
    fn a_schema_that_reaches_out_or_blows_up_is_refused() {
        assert!(within_bounds(&json!({"$ref": "http://127.0.0.1:9/x"})).is_err());
        assert!(within_bounds(&json!({"$ref": "file:///etc/passwd"})).is_err());
        let mut defs = serde_json::Map::new();
        for level in 0..12 {
            let next = format!("#/$defs/d{}", level + 1);
            defs.insert(format!("d{level}"), json!({"allOf": [{"$ref": next}, {"$ref": next}, {"$ref": next}]}));
        }
        assert!(within_bounds(&json!({"$defs": defs, "$ref": "#/$defs/d0"})).is_err());
        assert!(within_bounds(&json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"type": "string"}}})).is_ok());
    }
}
