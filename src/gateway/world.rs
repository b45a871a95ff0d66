//! What is in force: the catalog and the policies that were compiled against it, changed together.

use std::sync::Arc;

use crate::{catalog::Catalog, domain::Digest, policy::PolicySet};

/// One consistent view; a call takes it once and uses it to its end (T068).
#[derive(Debug)]
pub struct World {
    /// Counts up with each change; the admission transaction checks it again.
    pub epoch: u64,
    /// The tools.
    pub catalog: Arc<Catalog>,
    /// The policies.
    pub policies: Arc<PolicySet>,
    /// Digest of the bundle (sources and tool definitions) from which `explain` can build this world again.
    pub bundle: Digest,
}
