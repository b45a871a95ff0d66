//! Whether a policy can fail to evaluate; Cedar passes over a guardrail that fails, and the gateway then refuses the call.

use cedar_policy_symcc::never_errors_asserts;
use tokio::time::Instant;

use super::{
    answer::{Answer, Claim, Proof},
    cast::{Cast, Principal},
    ground::Ground,
    prover::{Prover, Session},
    tally::Tally,
    words::example,
};
use crate::{
    domain::limits,
    policy::{rule::Rule, set::PolicySet},
};

/// Asks of each policy of roles and guardrails whether any call makes it fail.
pub(super) async fn prove(prover: &Prover, set: &PolicySet) -> Vec<Proof> {
    let mut session = prover.session();
    let grounds = session.ready().and_then(|()| Ground::all(&[set]));
    let mut left = limits::PROOF_ENVIRONMENTS;
    let mut proofs = Vec::new();
    for rule in &set.rules {
        proofs.push(match &grounds {
            Ok(grounds) => one(&mut session, grounds, rule, &mut left).await,
            Err(why) => Proof::new(&rule.id, Claim::NeverErrors, Answer::unknown(why), std::time::Duration::ZERO),
        });
    }
    proofs
}

async fn one(session: &mut Session<'_>, grounds: &[Ground], rule: &Rule, left: &mut usize) -> Proof {
    let mut tally = Tally::new(Claim::NeverErrors);
    if rule.is_plain() {
        // Without a condition there is nothing that could fail.
        tally.against(Ok(None), Instant::now());
        return tally.proof(&rule.id, "");
    }
    let mut met = false;
    for ground in grounds.iter().filter(|ground| ground.meets(rule)) {
        met = true;
        for kind in ["Agent", "User"] {
            if tally.is_settled() {
                break;
            }
            let Some(rest) = left.checked_sub(1) else {
                tally.unknown(format!("more than {} combinations were to be asked about", limits::PROOF_ENVIRONMENTS));
                break;
            };
            *left = rest;
            let since = Instant::now();
            tally.against(ask(session, ground, rule, kind).await, since);
        }
    }
    if !met {
        tally.unknown("no approved tool is there that it could match".to_owned());
    }
    tally.proof(&rule.id, "")
}

async fn ask(
    session: &mut Session<'_>,
    ground: &Ground,
    rule: &Rule,
    kind: &str,
) -> Result<Option<super::answer::Example>, String> {
    let cast =
        Cast { principal: Principal::Any, action: &ground.action, resource: ground.resource.as_ref(), user: None };
    let compiled = ground.compile_for(&cast.policy(&rule.policy, &rule.id)?, kind)?;
    let found = session.find(&never_errors_asserts(&compiled)).await?;
    Ok(found.map(|env| example(&env, None, vec![rule.id.to_string()])))
}
