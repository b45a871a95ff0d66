//! What is in force: the catalog and the policies that were compiled against it, changed together.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    catalog::{Catalog, Features, Shelf},
    domain::{Digest, ServerName},
    policy::PolicySet,
};

/// One consistent view; a call takes it once and uses it to its end (T068).
#[derive(Debug, Clone)]
pub struct World {
    /// Counts up with each change; the admission transaction checks it again.
    pub epoch: u64,
    /// The tools.
    pub catalog: Arc<Catalog>,
    /// The policies.
    pub policies: Arc<PolicySet>,
    /// Digest of the bundle (sources and tool definitions) from which `explain` can build this world again.
    pub bundle: Digest,
    /// Prompts and resources.
    pub shelf: Arc<Shelf>,
    /// What each server offers that was ready once.
    pub features: Arc<BTreeMap<ServerName, Features>>,
}

/// Counts of changes, one for each list; a change of the policies counts for all lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    /// Of tools.
    pub tools: u64,
    /// Of prompts.
    pub prompts: u64,
    /// Of resources and their templates.
    pub resources: u64,
    /// Of who may be told anything: a credential was revoked, or the gateway was frozen or released.
    pub callers: u64,
}

impl Changes {
    /// Something changed that every list hangs on.
    pub const fn all(&mut self) {
        self.tools = self.tools.wrapping_add(1);
        self.prompts = self.prompts.wrapping_add(1);
        self.resources = self.resources.wrapping_add(1);
    }

    /// No list changed, but who may be told of it.
    pub const fn of_callers(&mut self) {
        self.callers = self.callers.wrapping_add(1);
    }
}
