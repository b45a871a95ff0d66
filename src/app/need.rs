//! Which active exceptions are redundant or dead under the policies in force: by the solver, by the policies alone, or by
//! recorded calls, and which of the three.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{house::House, view};
use crate::{
    api::ApiError,
    domain::{Credential, CredentialId, CredentialKind, Digest, ExceptionId, Grant, Subject, Timestamp, ToolRef},
    exception::{Exception, TestResult},
    policy::{
        Level, PolicySet, Visibility,
        proof::{Need, prove_need},
    },
    report::{Analysis, Register},
};

/// Active exceptions that one report looks at.
const MOST: usize = 500;
/// What the solver may take for one report; what it has said is kept, so the next report goes on from there.
const SOLVER: Duration = Duration::from_secs(10);
/// Answers that are kept.
const KEPT: usize = 10_000;

/// What the solver has said of an exception under a policy set.
pub(super) type Needs = HashMap<(ExceptionId, Digest, Digest), Need>;

impl House {
    /// The redundant and dead ones among the active exceptions of this register.
    pub(super) async fn needless(&self, register: &Register) -> Result<Analysis, ApiError> {
        let mut found = Analysis::default();
        let set = Arc::clone(&self.keeper.world.load().policies);
        let mut needs = self.needs.lock().await;
        if needs.len() > KEPT {
            needs.clear();
        }
        let ends = Instant::now() + SOLVER;
        let active: Vec<_> = register.rows.iter().filter(|row| row.state == "active").collect();
        found.not_looked_at = u64::try_from(active.len().saturating_sub(MOST)).unwrap_or(u64::MAX);
        for row in active.into_iter().take(MOST) {
            let exception = self.desk.show(&row.id).await.map_err(view::desk_error)?;
            let grant = exception.spec.grant(exception.revision, exception.digest);
            let key = (row.id.clone(), exception.digest, set.digest());
            if !needs.contains_key(&key) && self.prover.solver().is_ok() && Instant::now() < ends {
                let need = prove_need(&self.prover, &set, &grant).await;
                needs.insert(key.clone(), need);
            }
            let Some((dead, how)) = judged(&exception, &grant, &set, needs.get(&key), self.clock.now()) else {
                continue;
            };
            let list = if dead { &mut found.dead } else { &mut found.redundant };
            list.push(row.id.clone());
            found.how.insert(row.id.clone(), how.to_owned());
        }
        Ok(found)
    }
}

/// Whether it is dead (or else redundant), and how that was found.
fn judged(
    exception: &Exception,
    grant: &Grant,
    set: &PolicySet,
    need: Option<&Need>,
    now: Timestamp,
) -> Option<(bool, &'static str)> {
    let tools: Vec<(ToolRef, Digest)> = grant
        .tools
        .iter()
        .map(|(tool, digest)| (ToolRef { server: grant.server.clone(), tool: tool.clone() }, *digest))
        .collect();
    let gone = |(tool, digest): &(ToolRef, Digest)| set.definition(tool).is_none_or(|known| known.digest != *digest);
    if tools.iter().all(gone) {
        return Some((true, "policies: none of its tools is there as it was approved"));
    }
    let registry = set.registry();
    if grant.agents.iter().all(|agent| !registry.agents.contains_key(agent)) {
        return Some((true, "policies: agents.yaml knows none of its agents"));
    }
    match need {
        Some(Need::Dead) => return Some((true, "solver: it admits nothing that guardrails leave")),
        Some(Need::Redundant) => return Some((false, "solver: roles permit every call that it admits")),
        // Some call is admitted by it alone; whether anybody makes it, the records say.
        Some(Need::Needed) => return unneeded(exception, set),
        Some(Need::Unknown(_)) | None => {}
    }
    let pairs = || grant.agents.iter().flat_map(|agent| tools.iter().map(move |(tool, _)| (agent, tool)));
    let forbidden = pairs().all(|(agent, tool)| {
        let roles: Vec<_> = registry.agents.get(agent).into_iter().flat_map(|entry| entry.roles.clone()).collect();
        set.speaking(tool, agent, &roles).iter().any(|one| one.always && one.level == Level::Hard)
    });
    if forbidden {
        return Some((true, "policies: hard guardrails forbid every call"));
    }
    // Whether roles of the person suffice, too, depends on who that is.
    let alone = grant.users.is_empty() && !grant.user_required;
    let implied = alone
        && pairs().all(|(agent, tool)| {
            let roles = registry.agents.get(agent).map(|entry| entry.roles.iter().cloned().collect());
            let credential =
                Credential { id: CredentialId::from_bits(0), kind: CredentialKind::ApiKey, issued: None, expires: now };
            let subject = Subject {
                agent: agent.clone(),
                roles: roles.unwrap_or_default(),
                on_behalf_of: None,
                credential,
                taints: Arc::default(),
            };
            let sees = |tool| set.visibility(&subject, tool, &[], now);
            set.definition(tool).is_some_and(|tool| sees(tool) == Visibility::Allowed)
        });
    if implied {
        return Some((false, "policies: roles allow all of it whatever the arguments"));
    }
    unneeded(exception, set)
}

/// What its last removal test says, if that was made under these policies.
fn unneeded(exception: &Exception, set: &PolicySet) -> Option<(bool, &'static str)> {
    let (test, _) = exception.tested.as_ref()?;
    let nothing_breaks = test.result == TestResult::Unneeded && test.admitted > 0 && test.policy_set == set.digest();
    nothing_breaks.then_some((false, "recorded calls: its last removal test found that nothing breaks"))
}
