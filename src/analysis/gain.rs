//! What a solver says of a role that takes over: that it gives nobody more than the exceptions did.

use serde::{Deserialize, Serialize};

use crate::{
    domain::AgentId,
    policy::proof::{Answer, Proof},
};

/// Characters of what is told of one member.
const TOLD: usize = 2_000;

/// The claim that the role admits nothing beyond roles and exceptions, for each agent of the cohort.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gain {
    /// Whether it is proven for every one of them.
    pub proven: bool,
    /// The solver and its version, or why there is none.
    pub solver: String,
    /// By agent.
    pub members: Vec<MemberGain>,
}

/// The claim for one agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberGain {
    /// The agent.
    pub member: AgentId,
    /// `proven`, `refuted` or `not_proven`.
    pub answer: String,
    /// The call that shows it, or why nobody knows; empty where it is proven.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub told: String,
}

impl Gain {
    /// What the solver said of each member, or why there is no solver.
    #[must_use]
    pub fn of(solver: Result<String, String>, members: &[AgentId], proofs: &[Proof]) -> Self {
        let found = solver.is_ok();
        let solver = solver.unwrap_or_else(|why| format!("no solver was found ({why})"));
        let member = |member: &AgentId| {
            let proof = proofs.iter().find(|proof| found && proof.about == member.as_str());
            let (answer, told) = match proof.map(|proof| &proof.answer) {
                Some(Answer::Proven) => ("proven", String::new()),
                Some(answer @ Answer::Refuted { .. }) => ("refuted", answer.to_string()),
                Some(answer @ Answer::NotProven { .. }) => ("not_proven", answer.to_string()),
                None => ("not_proven", format!("not proven: {solver}")),
            };
            MemberGain { member: member.clone(), answer: answer.to_owned(), told: told.chars().take(TOLD).collect() }
        };
        let members: Vec<_> = members.iter().map(member).collect();
        Self { proven: !members.is_empty() && members.iter().all(|one| one.answer == "proven"), solver, members }
    }
}

#[cfg(test)]
mod tests {
    use super::Gain;

    #[test]
    fn without_a_solver_nothing_is_proven_of_anybody() {
        let gain = Gain::of(Err("no `cvc5` on PATH".to_owned()), &["a".into(), "b".into()], &[]);
        assert!(!gain.proven && gain.members.iter().all(|one| one.answer == "not_proven"));
        assert!(gain.members[0].told.contains("no `cvc5` on PATH"));
        assert!(!Gain::of(Ok("cvc5".to_owned()), &[], &[]).proven, "of nobody nothing is proven");
    }
}
