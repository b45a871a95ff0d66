//! Which policies speak of a tool and an agent, and the definition that the set was typed against.

use std::{collections::HashSet, sync::Arc};

use super::{
    compile::soft_rules,
    model::Names,
    registry,
    rule::Rule,
    set::PolicySet,
    source::{Level, Place, Sources},
};
use crate::{
    catalog::Tool,
    domain::{AgentId, Findings, Registry, RoleName, ToolRef},
};

/// A policy whose scope can match calls of one tool by one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speaks<'a> {
    /// Its `@id`.
    pub id: &'a str,
    /// How strongly it speaks.
    pub level: Level,
    /// Whether its scope alone decides, so that it speaks of every such call.
    pub always: bool,
    /// Its file.
    pub file: &'a str,
    /// The line where it begins.
    pub line: usize,
}

impl PolicySet {
    /// The tool as the policies were typed against it.
    #[must_use]
    pub fn definition(&self, tool: &ToolRef) -> Option<&Arc<Tool>> {
        self.tool(tool).map(|known| &known.tool)
    }

    /// The policies whose scopes can match a call of this tool by this agent with these roles.
    #[must_use]
    pub fn speaking(&self, tool: &ToolRef, agent: &AgentId, roles: &[RoleName]) -> Vec<Speaks<'_>> {
        let Some(known) = self.tool(tool) else { return Vec::new() };
        let principal = self.names.agent(agent.as_str());
        let roles: HashSet<_> = roles.iter().map(|role| self.names.role(role)).collect();
        let rules = known.calls.iter().filter_map(|place| self.rules.get(*place));
        rules.filter(|rule| rule.concerns(&principal, &roles)).map(Speaks::of).collect()
    }
}

impl Sources {
    /// The registry of these files, as far as it can be read; for sets that were sound once.
    #[must_use]
    pub fn registry(&self) -> Registry {
        let find = |wanted: Place| self.files.iter().find(|file| Place::of(&file.path) == Ok(wanted));
        let mut ignored = Findings::default();
        let mut registry = registry::read(find(Place::Agents), find(Place::People), &mut ignored);
        if let Ok(names) = Names::new() {
            let soft = self.files.iter().filter(|file| Place::of(&file.path) == Ok(Place::Policies(Level::Soft)));
            let rules: Vec<_> = soft.flat_map(|file| Rule::read(file, Level::Soft, &names, &mut ignored)).collect();
            registry.soft_rules = soft_rules(&rules);
        }
        registry
    }
}

impl<'a> Speaks<'a> {
    fn of(rule: &'a Rule) -> Self {
        Self { id: &rule.id, level: rule.level, always: rule.is_plain(), file: &rule.file, line: rule.line }
    }
}
