//! The kill switch, asked by people: one scope is frozen or released, and what is in flight of it ends.

use std::sync::Arc;

use async_trait::async_trait;

use super::{house::House, view};
use crate::{
    api::{ApiError, FreezeOperations, FreezeView},
    domain::{FreezeScope, Freezes, Person, Reason},
    evidence::Freeze,
    gateway::{Changes, Cut},
};

#[async_trait]
impl FreezeOperations for House {
    async fn freeze(&self, by: &Arc<Person>, scope: FreezeScope, reason: String) -> Result<(), ApiError> {
        self.is_there(&scope).await?;
        self.set(by, true, &scope, reason).await?;
        let ended = self.in_flight.cut(&Cut::Scope(scope.clone()), Reason::Frozen);
        tracing::warn!(%scope, calls = ended, by = %by.id, "frozen");
        Ok(())
    }

    async fn unfreeze(&self, by: &Arc<Person>, scope: FreezeScope, reason: String) -> Result<(), ApiError> {
        if !self.store.frozen().borrow().has(&scope) && !scope.is_all() {
            return Err(ApiError::conflict(format!("{scope} is not frozen; see `postern freezes`")));
        }
        self.set(by, false, &scope, reason).await
    }

    async fn freezes(&self) -> Vec<FreezeView> {
        let frozen = self.store.frozen().borrow().clone();
        frozen.iter().map(|(scope, frozen)| FreezeView { scope: scope.clone(), frozen: frozen.clone() }).collect()
    }
}

impl House {
    /// A name that is mistyped must not look like safety.
    async fn is_there(&self, scope: &FreezeScope) -> Result<(), ApiError> {
        let missing = |what: String| Err(ApiError::invalid(format!("there is no {what}; nothing is frozen")));
        match scope {
            FreezeScope::All => Ok(()),
            FreezeScope::Agent(id) if self.keeper.registry.load().agents.contains_key(id) => Ok(()),
            FreezeScope::Agent(id) => missing(format!("agent `{id}` in agents.yaml")),
            FreezeScope::Server(name) if self.upstreams.health().contains_key(name) => Ok(()),
            FreezeScope::Server(name) => missing(format!("server `{name}` in postern.yaml")),
            FreezeScope::Pilot(id) => {
                let all = self.desk.list(None, usize::MAX).await.map_err(view::desk_error)?;
                if all.iter().any(|exception| exception.spec.pilot.as_ref() == Some(id)) {
                    return Ok(());
                }
                missing(format!("exception of the pilot `{id}`"))
            }
            FreezeScope::Exception(id) => self.desk.show(id).await.map(drop).map_err(view::desk_error),
        }
    }

    async fn set(&self, by: &Arc<Person>, frozen: bool, scope: &FreezeScope, reason: String) -> Result<(), ApiError> {
        let freeze = Freeze { at: self.clock.now(), frozen, scope: scope.clone(), actor: by.id.to_string(), reason };
        self.store.set_frozen(freeze).await.map(|_| ()).map_err(|error| ApiError::unavailable(error.to_string()))
    }

    /// What is frozen, in one sentence for people.
    pub(super) fn frozen_text(&self) -> Option<String> {
        let frozen = self.store.frozen().borrow().clone();
        let each: Vec<String> =
            frozen.iter().take(20).map(|(scope, why)| format!("{scope} ({}: {})", why.by, why.reason)).collect();
        (!frozen.is_empty()).then(|| format!("Frozen until `postern unfreeze`: {}.", each.join(", ")))
    }
}

/// Ends what is in flight of each scope that is frozen, whoever froze it, and tells those who listen.
pub(super) async fn follow(house: Arc<House>) {
    let mut frozen = house.store.frozen();
    let mut before = Arc::<Freezes>::default();
    loop {
        let now = frozen.borrow_and_update().clone();
        for (scope, _) in now.iter().filter(|(scope, _)| !before.has(scope)) {
            house.in_flight.cut(&Cut::Scope(scope.clone()), Reason::Frozen);
        }
        house.telemetry.metrics().frozen(now.iter().map(|(scope, _)| scope));
        house.keeper.changes.send_modify(Changes::of_callers);
        before = now;
        if frozen.changed().await.is_err() {
            return;
        }
    }
}
