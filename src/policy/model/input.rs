//! From a tool's input schema to the types that policies read, and from arguments to values of these types.
//!
//! What JSON Schema allows and Cedar cannot type is left out by name, so that a policy which reads it is an error
//! when it is loaded, never a surprise when it is asked.

use std::collections::BTreeMap;

use cedar_policy::RestrictedExpression;
use serde_json::{Map, Number, Value, json};

/// How deep schemas and references are followed.
const DEPTH: usize = 24;

/// A type that policies can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// Text.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Whole,
    /// A number with at most four decimal digits.
    Decimal,
    /// A list, read as a set.
    Set(Box<Self>),
    /// An object with the members that have a type.
    Record(BTreeMap<String, Member>),
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its type.
    pub shape: Shape,
    /// Whether it is always there and never null.
    pub required: bool,
}

/// The arguments of a tool: those that policies can read, and those that they cannot, with the reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Input {
    /// By name.
    pub members: BTreeMap<String, Member>,
    /// By name, why.
    pub untyped: BTreeMap<String, String>,
}

/// A value that its type cannot hold, such as a number with five decimal digits; the decision is then a denial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit;

impl Input {
    /// The types of a tool's input schema.
    pub fn of(schema: &Value) -> Self {
        let mut input = Self::default();
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return input };
        for (name, property) in properties {
            match typed(property, schema, DEPTH) {
                Ok((shape, nullable)) => {
                    let required = !nullable && requires(schema, name);
                    input.members.insert(name.clone(), Member { shape, required });
                }
                Err(why) => {
                    input.untyped.insert(name.clone(), why);
                }
            }
        }
        input
    }

    /// Whether the schema declares the argument, typed or not.
    pub fn declares(&self, name: &str) -> bool {
        self.members.contains_key(name) || self.untyped.contains_key(name)
    }

    /// The Cedar schema (JSON form) of the record `context.input`.
    pub fn record(&self) -> Value {
        record(&self.members)
    }

    /// The arguments as a Cedar record of those that `wanted` accepts; null counts as absent.
    pub fn express(
        &self,
        arguments: &Map<String, Value>,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<RestrictedExpression, Unfit> {
        let mut pairs = Vec::new();
        for (name, member) in &self.members {
            if wanted(name)
                && let Some(value) = arguments.get(name).filter(|value| !value.is_null())
            {
                pairs.push((name.clone(), member.shape.express(value)?));
            }
        }
        RestrictedExpression::new_record(pairs).map_err(|_| Unfit)
    }
}

impl Shape {
    /// The Cedar schema (JSON form) of this type.
    fn schema(&self) -> Value {
        match self {
            Self::Text => json!({"type": "String"}),
            Self::Flag => json!({"type": "Boolean"}),
            Self::Whole => json!({"type": "Long"}),
            Self::Decimal => json!({"type": "Extension", "name": "decimal"}),
            Self::Set(element) => json!({"type": "Set", "element": element.schema()}),
            Self::Record(members) => record(members),
        }
    }

    fn express(&self, value: &Value) -> Result<RestrictedExpression, Unfit> {
        Ok(match (self, value) {
            (Self::Text, Value::String(text)) => RestrictedExpression::new_string(text.clone()),
            (Self::Flag, Value::Bool(flag)) => RestrictedExpression::new_bool(*flag),
            (Self::Whole, Value::Number(number)) => RestrictedExpression::new_long(whole(number).ok_or(Unfit)?),
            (Self::Decimal, Value::Number(number)) => RestrictedExpression::new_decimal(decimal(number).ok_or(Unfit)?),
            (Self::Set(element), Value::Array(items)) => RestrictedExpression::new_set(
                items.iter().map(|item| element.express(item)).collect::<Result<Vec<_>, _>>()?,
            ),
            (Self::Record(members), Value::Object(map)) => {
                let mut pairs = Vec::new();
                for (name, member) in members {
                    if let Some(value) = map.get(name).filter(|value| !value.is_null()) {
                        pairs.push((name.clone(), member.shape.express(value)?));
                    }
                }
                RestrictedExpression::new_record(pairs).map_err(|_| Unfit)?
            }
            (Self::Text | Self::Flag | Self::Whole | Self::Decimal | Self::Set(_) | Self::Record(_), _) => {
                return Err(Unfit);
            }
        })
    }
}

/// A whole number, also one that is written `5.0`.
pub fn whole(number: &Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let text =
            number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_991.0)?.to_string();
        text.parse().ok()
    })
}

/// A number as a Cedar decimal literal: at most four decimal digits, within ±922337203685477.
pub fn decimal(number: &Number) -> Option<String> {
    let text = match number.as_i64() {
        Some(whole) => whole.to_string(),
        None => number.as_f64()?.to_string(),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, "0"));
    let fits = fraction.len() <= 4 && whole.parse::<i64>().ok()?.unsigned_abs() < 922_337_203_685_477;
    fits.then(|| format!("{whole}.{fraction}"))
}

fn record(members: &BTreeMap<String, Member>) -> Value {
    let attributes: Map<_, _> = members
        .iter()
        .map(|(name, member)| {
            let mut schema = member.shape.schema();
            if let Some(map) = schema.as_object_mut() {
                map.insert("required".to_owned(), Value::Bool(member.required));
            }
            (name.clone(), schema)
        })
        .collect();
    json!({"type": "Record", "attributes": attributes})
}

fn requires(schema: &Value, name: &str) -> bool {
    schema.get("required").and_then(Value::as_array).is_some_and(|names| names.iter().any(|n| n.as_str() == Some(name)))
}

/// The type of a schema, and whether it allows null.
fn typed(schema: &Value, root: &Value, depth: usize) -> Result<(Shape, bool), String> {
    let depth = depth.checked_sub(1).ok_or("it is nested too deep, or refers to itself")?;
    let map = schema.as_object().ok_or("its schema accepts anything")?;
    if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return typed(target.ok_or_else(|| format!("`{reference}` is not found in its schema"))?, root, depth);
    }
    for keyword in ["anyOf", "oneOf", "allOf"] {
        if let Some(branches) = map.get(keyword).and_then(Value::as_array) {
            return choice(branches, keyword == "allOf", root, depth);
        }
    }
    let mut names = match map.get("type") {
        Some(Value::String(name)) => vec![name.as_str()],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => literal_types(map)?,
    };
    let nullable = names.contains(&"null");
    names.retain(|name| *name != "null");
    let [name] = names.as_slice() else { return Err("it may have one of several types".to_owned()) };
    let shape = match *name {
        "string" => Shape::Text,
        "boolean" => Shape::Flag,
        "integer" => Shape::Whole,
        "number" => Shape::Decimal,
        "array" => {
            let items = map.get("items").filter(|_| !map.contains_key("prefixItems"));
            match typed(items.ok_or("its elements have no type in common")?, root, depth)? {
                (shape, false) => Shape::Set(Box::new(shape)),
                (_, true) => return Err("its elements may be null".to_owned()),
            }
        }
        "object" => object(map, root, depth),
        other => return Err(format!("its type `{other}` is unknown")),
    };
    Ok((shape, nullable))
}

/// An object; members without a type are left out.
fn object(map: &Map<String, Value>, root: &Value, depth: usize) -> Shape {
    let schema =
        Value::Object(map.iter().filter(|(key, _)| *key == "required").map(|(k, v)| (k.clone(), v.clone())).collect());
    let properties = map.get("properties").and_then(Value::as_object);
    let members = properties.into_iter().flatten().filter_map(|(name, property)| {
        let (shape, nullable) = typed(property, root, depth).ok()?;
        Some((name.clone(), Member { shape, required: !nullable && requires(&schema, name) }))
    });
    Shape::Record(members.collect())
}

fn choice(branches: &[Value], all: bool, root: &Value, depth: usize) -> Result<(Shape, bool), String> {
    if all && branches.len() != 1 {
        return Err("it combines several schemas".to_owned());
    }
    let is_null = |branch: &&Value| branch.get("type").and_then(Value::as_str) == Some("null");
    let mut nullable = branches.iter().any(|branch| is_null(&branch));
    let mut found: Option<Shape> = None;
    for branch in branches.iter().filter(|branch| !is_null(branch)) {
        let (shape, null) = typed(branch, root, depth)?;
        nullable |= null;
        if found.as_ref().is_some_and(|before| *before != shape) {
            return Err("it may have one of several types".to_owned());
        }
        found = Some(shape);
    }
    found.map(|shape| (shape, nullable)).ok_or_else(|| "it may only be null".to_owned())
}

fn literal_types(map: &Map<String, Value>) -> Result<Vec<&'static str>, String> {
    let values: Vec<&Value> = match (map.get("enum"), map.get("const")) {
        (Some(Value::Array(values)), _) => values.iter().collect(),
        (_, Some(value)) => vec![value],
        _ => return Err("its schema gives no type".to_owned()),
    };
    let mut names: Vec<_> = values
        .into_iter()
        .map(|value| match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::String(_) => "string",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}
