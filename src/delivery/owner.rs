//! Whether the owner of an exception can be told of its uses: what `notify.owner` asks before a call.

use std::{fmt, sync::Arc, time::Duration};

use super::hook::Running;
use crate::{
    domain::{Clock, ExceptionId, Obligation, PersonId},
    monitoring::Probe,
};

/// Who answers for an exception, and who stands in.
pub type Owners = Box<dyn Fn(&ExceptionId) -> Option<PersonId> + Send + Sync>;

/// The probe of `notify.owner`.
pub struct OwnerNotice {
    hooks: Vec<Running>,
    owners: Owners,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for OwnerNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnerNotice").field("hooks", &self.hooks).finish_non_exhaustive()
    }
}

impl OwnerNotice {
    /// A probe over these webhooks.
    #[must_use]
    pub fn new(hooks: Vec<Running>, owners: Owners, clock: Arc<dyn Clock>) -> Self {
        Self { hooks, owners, clock }
    }

    fn carriers(&self) -> impl Iterator<Item = &Running> {
        self.hooks.iter().filter(|running| running.hook.wanted.kinds.contains("exception.used"))
    }

    /// Why this webhook does not tell in time.
    fn late(&self, running: &Running, exception: &ExceptionId, grace: Duration) -> Option<String> {
        let name = &running.hook.name;
        if running.hook.owes(exception) {
            return Some(format!("`{name}` refused the news of a use; see `postern alerts dead`"));
        }
        let lag = running.progress.lag(self.clock.now());
        let why = || running.progress.trouble().unwrap_or_else(|| "it is slow".to_owned());
        let waited = Duration::from_secs(lag.seconds) > grace || running.progress.silent() > grace.max(SILENCE);
        waited.then(|| format!("`{name}` has not taken alerts for longer than {} s: {}", grace.as_secs(), why()))
    }
}

/// A follower says within this time that it runs, even if it has nothing to send.
const SILENCE: Duration = Duration::from_secs(3);

impl Probe for OwnerNotice {
    fn health(&self) -> Result<(), String> {
        if self.carriers().next().is_none() {
            return Err("no webhook carries `exception.used`; see `alerts.webhooks` in postern.yaml".to_owned());
        }
        let well = self.carriers().any(|running| running.progress.silent() <= SILENCE);
        well.then_some(()).ok_or_else(|| "no webhook that carries `exception.used` takes alerts".to_owned())
    }

    fn holds(&self, duty: &Obligation, exception: &ExceptionId) -> Result<(), String> {
        let Obligation::NotifyOwner { grace_s } = duty else { return self.health() };
        let grace = Duration::from_secs(u64::from(*grace_s));
        let owner = (self.owners)(exception);
        let theirs = |running: &&Running| {
            let owners = &running.hook.wanted.owners;
            owners.is_empty() || owner.as_ref().is_some_and(|owner| owners.contains(owner))
        };
        let mut why = "no webhook carries `exception.used` to the owner".to_owned();
        for running in self.carriers().filter(theirs) {
            match self.late(running, exception, grace) {
                None => return Ok(()),
                Some(late) => why = late,
            }
        }
        Err(why)
    }
}
