//! The headers that repeat arguments, by tool.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    catalog::Tool,
    domain::Digest,
    mcp::Mirrors,
    upstream::{FailureKind, Offered, errand::Errand},
};

/// Mirrored headers by the digest of the tool's definition, so that a schema is walked once.
#[derive(Debug, Default)]
pub(super) struct Mirroring(Mutex<HashMap<Digest, Arc<Mirrors>>>);

impl Mirroring {
    /// The headers that a request needs.
    pub(super) fn of(&self, errand: &Errand) -> Result<Arc<Mirrors>, FailureKind> {
        let Errand::Call(call) = errand else { return Ok(Arc::default()) };
        let tool = call.tool();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mirrors) = known.get(&tool.digest) {
            return Ok(mirrors.clone());
        }
        let mirrors = Arc::new(Mirrors::of(&tool.input_schema).map_err(|_| FailureKind::Unsupported)?);
        known.insert(tool.digest, mirrors.clone());
        Ok(mirrors)
    }

    /// Reads them from the definition of the tool that the server lists now.
    pub(super) fn renew(&self, tool: &Tool, offered: &Offered) -> Option<Arc<Mirrors>> {
        let name = tool.reference.tool.as_str();
        let schema = offered.tools.iter().find_map(|raw| {
            let mut definition: serde_json::Value = serde_json::from_str(raw.get()).ok()?;
            (definition.get("name")?.as_str()? == name)
                .then(|| definition.get_mut("inputSchema").map(std::mem::take))?
        })?;
        let mirrors = Arc::new(Mirrors::of(&schema).ok()?);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(tool.digest, mirrors.clone());
        Some(mirrors)
    }

    /// Forgets all, when the list was read anew.
    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
