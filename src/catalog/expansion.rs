//! How often a schema can make a validator look at one and the same place of the arguments.
//!
//! A schema of 1,690 bytes can take seconds: each definition refers twice to the next one. The work of a
//! validator is at most the number of places in the arguments times what is counted here: subschemas that
//! apply to one place, followed through references and down [`limits::DEPTH`] levels.

use std::{
    collections::{BTreeMap, HashMap},
    ptr,
    rc::Rc,
};

use serde_json::Value;

use super::schema::SchemaFault;
use crate::domain::limits;

/// Steps of the count itself; a schema that needs more is refused as if it were over the budget.
const STEPS: usize = 200_000;
/// Subschemas that apply to one place, each within the one before; validators follow them on their stack.
const WITHIN: usize = 128;

/// Counts, and checks every reference that it meets on the way.
pub(super) fn check(root: &Value) -> Result<(), SchemaFault> {
    let mut count = Count { root, shapes: HashMap::new(), open: Vec::new(), depths: HashMap::new(), steps: 0 };
    if count.worst(root, limits::DEPTH)? > limits::SCHEMA_EXPANSIONS {
        return Err(SchemaFault::Expansion);
    }
    Ok(())
}

/// A child place of the one that a schema applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Child<'a> {
    Member(&'a str),
    AnyMember,
    Item(usize),
    AnyItem,
    Name,
}

/// What applies to one place, and how often each schema applies to each child place.
#[derive(Debug, Default)]
struct Shape<'a> {
    size: usize,
    children: BTreeMap<(Child<'a>, usize), (&'a Value, usize)>,
}

struct Count<'a> {
    root: &'a Value,
    shapes: HashMap<usize, Rc<Shape<'a>>>,
    /// Schemas whose shape is being found: meeting one again is a loop that never goes deeper.
    open: Vec<usize>,
    depths: HashMap<(usize, usize), usize>,
    steps: usize,
}

impl<'a> Count<'a> {
    fn step(&mut self, steps: usize) -> Result<(), SchemaFault> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > STEPS { Err(SchemaFault::Expansion) } else { Ok(()) }
    }

    /// The most subschemas that apply to one place at or below the one that this schema applies to.
    fn worst(&mut self, schema: &'a Value, depth: usize) -> Result<usize, SchemaFault> {
        let key = (address(schema), depth);
        if let Some(known) = self.depths.get(&key) {
            return Ok(*known);
        }
        let shape = self.shape(schema)?;
        let mut worst = shape.size;
        if let Some(below) = depth.checked_sub(1) {
            let mut groups: BTreeMap<Child<'_>, usize> = BTreeMap::new();
            for ((child, _), (inner, times)) in &shape.children {
                self.step(1)?;
                let cost = self.worst(inner, below)?.saturating_mul(*times);
                let group = groups.entry(*child).or_default();
                *group = group.saturating_add(cost);
            }
            let any_member = groups.get(&Child::AnyMember).copied().unwrap_or_default();
            let any_item = groups.get(&Child::AnyItem).copied().unwrap_or_default();
            for (child, cost) in groups {
                let shared = match child {
                    Child::Member(_) => any_member,
                    Child::Item(_) => any_item,
                    Child::AnyMember | Child::AnyItem | Child::Name => 0,
                };
                worst = worst.max(cost.saturating_add(shared));
            }
        }
        self.depths.insert(key, worst);
        Ok(worst)
    }

    fn shape(&mut self, schema: &'a Value) -> Result<Rc<Shape<'a>>, SchemaFault> {
        let key = address(schema);
        if let Some(known) = self.shapes.get(&key) {
            return Ok(Rc::clone(known));
        }
        if self.open.contains(&key) {
            return Err(SchemaFault::Loop);
        }
        self.step(1)?;
        if self.open.len() > WITHIN {
            return Err(SchemaFault::Expansion);
        }
        self.open.push(key);
        let shape = self.gather(schema)?;
        self.open.pop();
        let shape = Rc::new(shape);
        self.shapes.insert(key, Rc::clone(&shape));
        Ok(shape)
    }

    fn gather(&mut self, schema: &'a Value) -> Result<Shape<'a>, SchemaFault> {
        let mut shape = Shape { size: 1, children: BTreeMap::new() };
        let Value::Object(members) = schema else { return Ok(shape) };
        let mut same = Vec::new();
        for (keyword, value) in members {
            match keyword.as_str() {
                "$ref" => same.push(self.target(value)?),
                "$dynamicRef" | "$recursiveRef" => return Err(SchemaFault::Dynamic),
                "allOf" | "anyOf" | "oneOf" => same.extend(value.as_array().into_iter().flatten()),
                "not" | "if" | "then" | "else" => same.push(value),
                "dependentSchemas" | "dependencies" => {
                    same.extend(value.as_object().into_iter().flat_map(|map| map.values()).filter(|v| !v.is_array()));
                }
                _ => children(&mut shape, keyword, value),
            }
        }
        for inner in same {
            let inner = self.shape(inner)?;
            self.step(inner.children.len().saturating_add(1))?;
            shape.size = shape.size.saturating_add(inner.size);
            for (child, (schema, count)) in &inner.children {
                let held = shape.children.entry(*child).or_insert((schema, 0));
                held.1 = held.1.saturating_add(*count);
            }
        }
        Ok(shape)
    }

    fn target(&self, reference: &Value) -> Result<&'a Value, SchemaFault> {
        let text = reference.as_str().ok_or(SchemaFault::Reference)?;
        let pointer = text.strip_prefix('#').ok_or(SchemaFault::Reference)?;
        if pointer.contains('%') {
            return Err(SchemaFault::Reference);
        }
        self.root.pointer(pointer).ok_or(SchemaFault::Reference)
    }
}

fn children<'a>(shape: &mut Shape<'a>, keyword: &str, value: &'a Value) {
    let mut add = |child: Child<'a>, schema: &'a Value| {
        let held = shape.children.entry((child, address(schema))).or_insert((schema, 0));
        held.1 = held.1.saturating_add(1);
    };
    match (keyword, value) {
        ("properties", Value::Object(map)) => map.iter().for_each(|(name, inner)| add(Child::Member(name), inner)),
        ("patternProperties", Value::Object(map)) => map.values().for_each(|inner| add(Child::AnyMember, inner)),
        ("additionalProperties" | "unevaluatedProperties", _) => add(Child::AnyMember, value),
        ("propertyNames", _) => add(Child::Name, value),
        ("prefixItems" | "items", Value::Array(items)) => {
            items.iter().enumerate().for_each(|(index, inner)| add(Child::Item(index), inner));
        }
        ("items" | "additionalItems" | "unevaluatedItems" | "contains", _) => add(Child::AnyItem, value),
        _ => {}
    }
}

fn address(schema: &Value) -> usize {
    ptr::from_ref(schema).addr()
}
