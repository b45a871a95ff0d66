//! What an approver wants to know of an exception.

use cedar_policy::{Policy, PolicyId};
use cedar_policy_symcc::{always_denies_asserts, implies_asserts, matches_disjoint_asserts, never_errors_asserts};
use serde_json::json;
use tokio::time::Instant;

use super::{
    answer::{Claim, Proof},
    cast::{Part, when},
    ground::Ground,
    prover::{Prover, Session},
    tally::Tally,
    words::example,
    world::{Person, World, agent, persons},
};
use crate::{
    domain::{Grant, ToolRef, Window, limits},
    policy::{
        grant::{milliseconds, policy},
        set::PolicySet,
    },
};

/// What is claimed of every exception.
pub(super) const CLAIMS: [Claim; 5] =
    [Claim::ClearOfHardGuardrails, Claim::AddsToRoles, Claim::Alive, Claim::NeverErrors, Claim::WithinItsWindow];

/// Whether an exception is needed, as the solver sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// It admits something that no role permits.
    Needed,
    /// Roles permit every call that it admits.
    Redundant,
    /// It can admit nothing.
    Dead,
    /// Nobody knows, and why.
    Unknown(String),
}

/// Asks only whether it admits anything, and anything that roles do not, now and under these policies.
pub(super) async fn need(prover: &Prover, set: &PolicySet, grant: &Grant) -> Need {
    let mut inquiry = Inquiry::new(prover, set, grant);
    inquiry.brief = true;
    if let Err(why) = inquiry.all(grant.window).await {
        return Need::Unknown(why);
    }
    let (asked, dead, unknown) = inquiry.alive.counts();
    let (_, implied, besides) = inquiry.adds.counts();
    match unknown.or(besides) {
        _ if asked == 0 => Need::Unknown("there was nothing to ask about".to_owned()),
        _ if dead == asked => Need::Dead,
        _ if dead + implied == asked => Need::Redundant,
        _ if dead + implied < asked && unknown.or(besides).is_none() => Need::Needed,
        why => Need::Unknown(why.cloned().unwrap_or_default()),
    }
}

/// Asks about one exception that shall admit nothing outside of this window.
pub(super) async fn prove(prover: &Prover, set: &PolicySet, grant: &Grant, window: Window) -> Vec<Proof> {
    let mut inquiry = Inquiry::new(prover, set, grant);
    if let Err(why) = inquiry.all(window).await {
        inquiry.none(&why);
    }
    let Inquiry { hard, adds, alive, errors, window, .. } = inquiry;
    let about = grant.exception.as_str();
    vec![
        hard.proof(about, ""),
        adds.proof(about, "roles already permit every call of"),
        alive.proof(about, "bounds that contradict each other, or guardrails, leave no call of"),
        errors.proof(about, ""),
        window.proof(about, ""),
    ]
}

struct Inquiry<'a> {
    session: Session<'a>,
    set: &'a PolicySet,
    grant: &'a Grant,
    hard: Tally,
    adds: Tally,
    alive: Tally,
    errors: Tally,
    window: Tally,
    /// Only whether it is alive and adds to roles.
    brief: bool,
}

impl<'a> Inquiry<'a> {
    fn new(prover: &'a Prover, set: &'a PolicySet, grant: &'a Grant) -> Self {
        Self {
            session: prover.session(),
            set,
            grant,
            hard: Tally::new(Claim::ClearOfHardGuardrails),
            adds: Tally::new(Claim::AddsToRoles),
            alive: Tally::new(Claim::Alive),
            errors: Tally::new(Claim::NeverErrors),
            window: Tally::new(Claim::WithinItsWindow),
            brief: false,
        }
    }
}

impl Inquiry<'_> {
    fn none(&mut self, why: &str) {
        for tally in [&mut self.hard, &mut self.adds, &mut self.alive, &mut self.errors, &mut self.window] {
            tally.unknown(why.to_owned());
        }
    }

    async fn all(&mut self, window: Window) -> Result<(), String> {
        self.session.ready()?;
        let persons = persons(self.set, self.grant);
        let worlds = self.grant.tools.len().saturating_mul(self.grant.agents.len()).saturating_mul(persons.len());
        if worlds > limits::PROOF_ENVIRONMENTS {
            let most = limits::PROOF_ENVIRONMENTS;
            return Err(format!("{worlds} combinations of agent, person and tool are more than {most}"));
        }
        for tool in self.grant.tools.keys() {
            let reference = ToolRef { server: self.grant.server.clone(), tool: tool.clone() };
            let known = self.set.tool(&reference).ok_or_else(|| format!("no approved tool is called `{reference}`"))?;
            let ground = Ground::call(known, &[self.set])?;
            let exception = policy(self.grant, known, true).map_err(|(_, message)| message)?;
            if !self.brief {
                self.itself(&ground, &exception, window).await?;
            }
            for id in &self.grant.agents {
                self.pair(&ground, &exception, &agent(self.set, id), &persons).await;
            }
        }
        Ok(())
    }

    /// What is asked of the exception alone.
    async fn itself(&mut self, ground: &Ground, exception: &Policy, window: Window) -> Result<(), String> {
        let compiled = ground.compile(exception)?;
        let since = Instant::now();
        let found = self.session.find(&never_errors_asserts(&compiled)).await;
        self.errors.against(found.map(|env| env.map(|env| example(&env, None, Vec::new()))), since);
        let outside = ground.compile(&outside(window)?)?;
        let since = Instant::now();
        let found = self.session.find(&matches_disjoint_asserts(&compiled, &outside)).await;
        self.window.against(found.map(|env| env.map(|env| example(&env, None, Vec::new()))), since);
        Ok(())
    }

    /// What is asked of one agent and one tool.
    async fn pair(&mut self, ground: &Ground, exception: &Policy, agent: &Part, persons: &[Person]) {
        let of = format!("{} by {}", ground.label, agent.uid);
        let (mut alive, mut adds) = (Ok(false), Ok(false));
        for person in persons {
            let world = match World::new(ground, self.set, exception, (agent, person)) {
                Ok(world) => world,
                Err(why) => return self.none(&why),
            };
            if !self.brief {
                self.guardrails(&world).await;
            }
            let since = Instant::now();
            alive = either(alive, self.is_alive(&world).await);
            self.alive.spent(since);
            let since = Instant::now();
            adds = either(adds, self.adds(&world).await);
            self.adds.spent(since);
        }
        // What admits nothing cannot add anything; it is said once.
        let dead = alive == Ok(false);
        self.alive.any(alive, &of);
        self.adds.any(if dead { Ok(true) } else { adds }, &of);
    }

    async fn guardrails(&mut self, world: &World) {
        if world.hard.is_empty() {
            self.hard.against(Ok(None), Instant::now());
        }
        for (id, guardrail) in &world.hard {
            if self.hard.is_settled() {
                return;
            }
            let since = Instant::now();
            let found = self.session.find(&matches_disjoint_asserts(&world.exception, guardrail)).await;
            self.hard.against(found.map(|env| env.map(|env| example(&env, None, vec![id.clone()]))), since);
        }
    }

    async fn is_alive(&mut self, world: &World) -> Result<bool, String> {
        self.session.find(&always_denies_asserts(&world.admitted)).await.map(|env| env.is_some())
    }

    async fn adds(&mut self, world: &World) -> Result<bool, String> {
        let mut found = Ok(false);
        for permits in &world.roles {
            let asked = match permits {
                Some(permits) => self.session.find(&implies_asserts(&world.admitted, permits)).await,
                None => self.session.find(&always_denies_asserts(&world.admitted)).await,
            };
            found = either(found, asked.map(|env| env.is_some()));
        }
        found
    }
}

/// Yes if either says yes; otherwise nobody knows if either does not know.
fn either(one: Result<bool, String>, other: Result<bool, String>) -> Result<bool, String> {
    match (one, other) {
        (Ok(true), _) | (_, Ok(true)) => Ok(true),
        (Err(why), _) | (_, Err(why)) => Err(why),
        (Ok(false), Ok(false)) => Ok(false),
    }
}

/// A policy that matches before and after the window.
fn outside(window: Window) -> Result<Policy, String> {
    let time = |at| milliseconds(at).map(|text| json!({"datetime": [{"Value": text}]}));
    let (start, end) =
        time(window.not_before).zip(time(window.not_after)).ok_or("the times must lie in the years 1 to 9999")?;
    let now = json!({".": {"left": {"Var": "context"}, "attr": "now"}});
    let before = json!({"<": {"left": now, "right": start}});
    let after = json!({">=": {"left": now, "right": end}});
    let all = json!({"op": "All"});
    let policy = json!({
        "effect": "permit", "principal": all, "action": all, "resource": all,
        "conditions": [when(json!({"||": {"left": before, "right": after}}))],
    });
    Policy::from_json(Some(PolicyId::new("outside")), policy).map_err(|error| error.to_string())
}
