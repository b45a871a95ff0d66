//! One call, in a straight line. READ THIS FIRST.

use std::{sync::Arc, time::Instant};

use super::{Gateway, refuse::Refusal};
use crate::{
    domain::Subject,
    mcp::server::{Link, Reply, Request, RpcError},
    policy::Decision,
};

impl Gateway {
    /// Steps 2 to 9 of a call; step 1, who is calling, was taken before a byte of its body was read.
    pub(super) async fn walk(&self, subject: Arc<Subject>, request: Request, link: Link) -> Result<Reply, RpcError> {
        // 2 resolve: the name leads to a tool that this subject sees, and the arguments pass its schema
        let arrived = self.arrive(self.visit(subject, &request), &request, &link).await;
        let (visit, call, candidates, mut round) = match arrived {
            Ok(arrived) => arrived,
            Err((visit, refusal)) => return self.refuse(&visit, *refusal, None).await,
        };
        if let Err(refusal) = self.thaw(&visit, &call, &request) {
            return self.refuse(&visit, *refusal, None).await;
        }

        // 3 decide: guardrails, roles, exceptions
        let decided = Instant::now();
        let tool = Arc::clone(call.tool());
        let candidates = self.standing(&visit, &round, (&tool.reference, candidates));
        let permit = match visit.world.policies.decide(&visit.subject, call, &candidates, visit.now) {
            Decision::Permit(permit) => permit,
            Decision::Deny(denial) => return self.refuse(&visit, Refusal::of(*denial, &tool, &request), None).await,
        };
        self.parts.telemetry.metrics().decided(permit.verdict(), decided.elapsed());
        let mut span = self.span(&visit, Some(permit.call().tool()), permit.verdict());

        // 4 precondition: whatever the exception demands works now
        let held = match self.precondition(&visit, &permit, span.is_secured()) {
            Ok(held) => held,
            Err(refusal) => return self.refuse(&visit, *refusal, Some(span)).await,
        };

        // 5 admit: one transaction; nothing left before it, and whatever takes the permission back reaches it from here
        let flight = self.flight(&visit, &visit.reach_of(&permit), &link);
        let position = match self.admit(&visit, &permit, &round, &span).await {
            Ok(position) => position,
            Err(refusal) => return self.refuse(&visit, *refusal, Some(span)).await,
        };
        span.authorize(decided, Instant::now(), permit.verdict());
        span.audited(position.seq);
        span.satisfied(held.met());

        // 6 forward: spends the permit
        let returned = self.forward(&visit, *permit, (&mut round, held.deadline()), (&span, link, flight)).await;

        // 7 fulfil: duties on the result are met, or it is withheld
        let ended = self.fulfil(&visit, returned, held, span.is_secured());

        // 8 outcome: durable before the answer leaves
        let recorded = self.outcome(&visit, &ended).await;

        // 9 reply
        self.reply(&visit, (ended, recorded), (round, request.scope), span)
    }
}
