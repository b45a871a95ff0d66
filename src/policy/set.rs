//! All policies compiled and frozen.

use std::{collections::HashMap, fmt, sync::{Arc, OnceLock}};

use super::{grant::Grants, slice::{Rules, Slice}};
use crate::{catalog::Tool, domain::{Digest, Registry, ToolRef}};

/// All policies compiled against one set of tools, with the registry. Immutable; slices are built on first use.
pub struct PolicySet {
    digest: Digest,
    registry: Arc<Registry>,
    rules: Rules,
    slices: HashMap<ToolRef, OnceLock<Arc<Slice>>>,
    pub(super) grants: Grants,
}

impl PolicySet {
    pub(super) fn new(digest: Digest, registry: Registry, rules: Rules, slices: HashMap<ToolRef, OnceLock<Arc<Slice>>>) -> Self {
        Self { digest, registry: Arc::new(registry), rules, slices, grants: Grants::default() }
    }

    /// Digest over the sources and the definitions of the tools.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// agents.yaml and people.yaml.
    #[must_use]
    pub const fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// How many policies there are in roles and guardrails.
    #[must_use]
    pub fn policies(&self) -> usize {
        self.rules.len()
    }

    /// The policies that can match this tool; `None` if the set was not compiled with it.
    pub(super) fn slice(&self, tool: &Tool) -> Option<Arc<Slice>> {
        let slot = self.slices.get(&tool.reference)?;
        if let Some(slice) = slot.get() {
            return Some(Arc::clone(slice));
        }
        let slice = Arc::new(Slice::build(&self.rules, tool)?);
        Some(Arc::clone(slot.get_or_init(|| slice)))
    }
}

impl fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicySet").field("digest", &self.digest).field("policies", &self.rules.len()).finish_non_exhaustive()
    }
}
