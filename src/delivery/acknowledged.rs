//! Whether an export's destination has acknowledged what there is: what `export.acknowledged` asks before a call.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use super::progress::Progress;
use crate::{
    domain::{Clock, ExceptionId, Obligation},
    monitoring::Probe,
};

/// A follower says within this time that it runs, even if it has nothing to send.
const SILENCE: Duration = Duration::from_secs(3);

/// The probe of `export.acknowledged`: a dead man's switch, for somebody must be receiving.
pub struct Acknowledged {
    /// Destinations that acknowledge, by name.
    exports: BTreeMap<String, Arc<Progress>>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Acknowledged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acknowledged").field("exports", &self.exports).finish_non_exhaustive()
    }
}

impl Acknowledged {
    /// A probe over the destinations that acknowledge.
    #[must_use]
    pub fn new(exports: BTreeMap<String, Arc<Progress>>, clock: Arc<dyn Clock>) -> Self {
        Self { exports, clock }
    }

    fn late(&self, name: &str, progress: &Progress, most: Duration) -> Result<(), String> {
        let lag = progress.lag(self.clock.now());
        let silent = progress.silent();
        if Duration::from_secs(lag.seconds) <= most && silent <= most.max(SILENCE) {
            return Ok(());
        }
        let why = progress.trouble().unwrap_or_else(|| "it is slow".to_owned());
        Err(format!(
            "`{name}` has not acknowledged {} records for longer than {} s: {why}",
            lag.records,
            most.as_secs()
        ))
    }
}

impl Probe for Acknowledged {
    fn health(&self) -> Result<(), String> {
        if self.exports.is_empty() {
            return Err("no export goes to a destination that acknowledges; see `exports` in postern.yaml".to_owned());
        }
        self.exports.iter().try_for_each(|(name, progress)| self.late(name, progress, SILENCE))
    }

    fn holds(&self, duty: &Obligation, _exception: &ExceptionId) -> Result<(), String> {
        let Obligation::ExportAcknowledged { sink, max_lag_s } = duty else { return self.health() };
        let progress = self.exports.get(sink);
        let progress = progress.ok_or_else(|| format!("no export that acknowledges is named `{sink}`"))?;
        self.late(sink, progress, Duration::from_secs(u64::from(*max_lag_s)))
    }
}
