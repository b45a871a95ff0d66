//! Whether a candidate role gives its future holders more than roles and exceptions gave them before.

use std::sync::Arc;

use cedar_policy::Policy;
use cedar_policy_symcc::implies_asserts;
use tokio::time::Instant;

use super::{
    answer::{Claim, Example, Proof},
    cast::{Part, Principal},
    ground::Ground,
    prover::{Prover, Session},
    tally::Tally,
    words::example,
    world::agent,
};
use crate::{
    domain::{AgentId, Findings, Grant, RoleName, limits},
    policy::{
        grant,
        rule::Rule,
        set::PolicySet,
        source::{Level, SourceFile},
    },
};

/// A role that shall take the place of exceptions.
#[derive(Debug, Clone, Copy)]
pub struct Graduation<'a> {
    /// Its policies, as the file under `roles/` that it would be.
    pub candidate: &'a SourceFile,
    /// The role.
    pub role: &'a RoleName,
    /// The exceptions; their windows are left aside, because a role has none.
    pub grants: &'a [Arc<Grant>],
    /// The agents that shall have the role.
    pub members: &'a [AgentId],
}

/// Asks each member's claim.
pub(super) async fn prove(
    prover: &Prover,
    set: &PolicySet,
    graduation: Graduation<'_>,
) -> Result<Vec<Proof>, Findings> {
    let mut findings = Findings::default();
    let candidates = Rule::read(graduation.candidate, Level::Role, &set.names, &mut findings);
    findings.or(())?;
    let grounds = Ground::all(&[set]);
    let mut work = Work { session: prover.session(), set, graduation, candidates, left: limits::PROOF_ENVIRONMENTS };
    let mut proofs = Vec::new();
    for member in graduation.members {
        let mut tally = Tally::new(Claim::NothingGained);
        match (work.session.ready(), &grounds) {
            (Err(why), _) => tally.unknown(why),
            (_, Err(why)) => tally.unknown(why.clone()),
            (Ok(()), Ok(grounds)) => work.member(member, grounds, &mut tally).await,
        }
        proofs.push(tally.proof(member.as_str(), ""));
    }
    Ok(proofs)
}

struct Work<'a> {
    session: Session<'a>,
    set: &'a PolicySet,
    graduation: Graduation<'a>,
    candidates: Vec<Rule>,
    left: usize,
}

impl Work<'_> {
    async fn member(&mut self, member: &AgentId, grounds: &[Ground], tally: &mut Tally) {
        let before = agent(self.set, member);
        let mut after = before.clone();
        let role = self.set.names.role(self.graduation.role);
        if !after.parents.contains(&role) {
            after.parents.push(role);
        }
        let roles = after.parents.iter().cloned().collect();
        let all = self.set.rules.iter().chain(&self.candidates);
        let concerned = all.filter(|rule| rule.level == Level::Role && rule.concerns(&after.uid, &roles));
        for rule in concerned.filter(|rule| Ground::none_for(grounds, rule, self.set)) {
            tally.unknown(format!("`{}` names or needs tools of which none is approved", rule.id));
        }
        for ground in grounds {
            if tally.is_settled() {
                return;
            }
            let Some(left) = self.left.checked_sub(1) else {
                return tally.unknown(format!("more than {} combinations", limits::PROOF_ENVIRONMENTS));
            };
            self.left = left;
            let since = Instant::now();
            tally.against(self.ask(ground, member, (&before, &after)).await, since);
        }
    }

    async fn ask(
        &mut self,
        ground: &Ground,
        member: &AgentId,
        (before, after): (&Part, &Part),
    ) -> Result<Option<Example>, String> {
        let old = ground.rules(&self.set.rules, Principal::Known(before));
        let mut new = ground.rules(&self.set.rules, Principal::Known(after));
        new.extend(ground.rules(&self.candidates, Principal::Known(after)));
        if new.iter().all(|rule| rule.level != Level::Role) {
            return Ok(None);
        }
        let old = ground.bind(&old, (Principal::Known(before), None), "")?;
        let new = ground.bind(&new, (Principal::Known(after), None), "")?;
        let exceptions = self.exceptions(ground, member)?;
        let roles = |bound: &super::ground::Bound| bound.policies.iter().map(|(_, _, policy)| policy.clone()).collect();
        let (old, new): (Vec<Policy>, Vec<Policy>) = (roles(&old), roles(&new));
        let old = ground.compile_all(old.iter().chain(&exceptions))?;
        let new = ground.compile_all(new.iter())?;
        let found = self.session.find(&implies_asserts(&new, &old)).await?;
        Ok(found.map(|env| example(&env, Some(format!("agent `{member}`")), Vec::new())))
    }

    /// The exceptions of this member and tool, without their windows and for this member only.
    fn exceptions(&self, ground: &Ground, member: &AgentId) -> Result<Vec<Policy>, String> {
        let tool = ground.resource.as_ref().filter(|_| ground.is_call());
        let Some(tool) = tool.and_then(|part| self.set.names.as_tool(&part.uid)) else { return Ok(Vec::new()) };
        let Some(known) = self.set.tool(&tool) else { return Ok(Vec::new()) };
        let named = self.graduation.grants.iter().filter(|grant| {
            grant.server == tool.server && grant.tools.contains_key(&tool.tool) && grant.agents.contains(member)
        });
        let uid = self.set.names.agent(member.as_str());
        let narrow = |grant: &Arc<Grant>| {
            let policy = grant::policy(grant, known, false).map_err(|(_, message)| message)?;
            super::cast::for_principal(&policy, &uid)
        };
        named.map(narrow).collect()
    }
}
