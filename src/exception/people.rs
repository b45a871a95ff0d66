//! People who leave and come back: what the registry says of owners becomes events.

use std::sync::Arc;

use super::{Desk, DeskError, Notice, Notices};
use crate::domain::{Duty, SuspendReason};

impl Desk {
    /// Where notices go. The first to be named stays.
    pub fn notify(&self, notices: Arc<dyn Notices>) {
        let _first_stays = self.parts.notices.set(notices);
    }

    /// Holds live exceptions against the people as they are now: one whose owner may no longer own is suspended, and
    /// goes on once that is mended. Decisions see both without this; it puts them on record. Does nothing while the
    /// registry is the one of the last time. Gives how many it changed.
    ///
    /// # Errors
    /// The store cannot be used; the same is tried again the next time.
    pub async fn owners(&self) -> Result<usize, DeskError> {
        let registry = self.parts.registry.load_full();
        let seen = self.parts.ledger().seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &registry));
        if seen {
            return Ok(0);
        }
        let mut changed = 0;
        let (gone, back) = self.parts.ledger().owners_against(&|owner| registry.may(owner, Duty::Own));
        for (owner, id) in gone {
            let detail = format!("the owner `{owner}` is no active person with the duty `own`");
            match self.hold(&id, SuspendReason::OwnerIneligible, &detail).await {
                Ok(true) => {
                    changed += 1;
                    self.tell(&Notice::OwnerGone { exception: id, owner });
                }
                Ok(false) | Err(DeskError::Conflict(_) | DeskError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        for (owner, id) in back {
            let detail = format!("the owner `{owner}` has the duty `own` again");
            match self.release(&id, SuspendReason::OwnerIneligible, &detail).await {
                Ok(true) => changed += 1,
                Ok(false) | Err(DeskError::Conflict(_) | DeskError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.parts.ledger().seen = Some(registry);
        Ok(changed)
    }

    /// Suspends every live exception for this reason, each by an event of its own. Gives how many are new to it.
    ///
    /// # Errors
    /// The store cannot be used.
    pub async fn hold_all(&self, reason: SuspendReason, detail: &str) -> Result<usize, DeskError> {
        let mut held = 0;
        let live = self.parts.ledger().live();
        for id in live {
            match self.hold(&id, reason, detail).await {
                Ok(new) => held += usize::from(new),
                Err(DeskError::Conflict(_) | DeskError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(held)
    }

    pub(super) fn tell(&self, notice: &Notice) {
        if let Some(notices) = self.parts.notices.get() {
            notices.tell(notice);
        }
    }
}
