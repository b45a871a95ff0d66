//! Probes of parts that the controls do not know.

use std::sync::Arc;

use crate::{domain::DecisionId, evidence::Sealer, monitoring::Probe};

/// Seals a marker and opens it again.
#[derive(Debug)]
pub(super) struct Sealing(pub(super) Arc<Sealer>);

impl Probe for Sealing {
    fn health(&self) -> Result<(), String> {
        let (id, text) = (DecisionId::from_bits(0), b"marker");
        let opened = self.0.seal(&id, text).ok().flatten().and_then(|sealed| self.0.open(&id, &sealed).ok());
        (opened.as_deref() == Some(text)).then_some(()).ok_or_else(|| "what is sealed does not open again".to_owned())
    }
}
