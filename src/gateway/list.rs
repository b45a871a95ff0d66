//! The short road of a list: filtered before it is cut into pages, recorded before it is given out.

use std::sync::Arc;

use super::{Gateway, World};
use crate::{
    catalog::Tool,
    domain::{Subject, Timestamp},
    evidence::{Caller, Listing, Record},
    mcp::{
        code,
        server::{ListPage, ListRequest, RpcError, Scope},
    },
    policy::Visibility,
};

/// Tools on one page.
const PAGE: usize = 1_000;
/// How long a list may be believed.
const TTL_MS: u64 = 5_000;

impl Gateway {
    pub(super) async fn tools(&self, subject: &Arc<Subject>, request: ListRequest) -> Result<ListPage, RpcError> {
        let now = self.parts.clock.now();
        let world = self.parts.world.load_full();
        let after = match &request.cursor {
            None => None,
            Some(cursor) => {
                let opened = self.cursors.open(&subject.agent, cursor);
                Some(opened.ok_or_else(|| {
                    RpcError::invalid_params("the cursor is not one of this list; begin again without one")
                })?)
            }
        };
        let mut shown: Vec<&Arc<Tool>> = Vec::new();
        let mut more = false;
        for tool in world.catalog.tools() {
            let of_scope = match &request.scope {
                Scope::All => true,
                Scope::Server(server) => tool.reference.server == *server,
            };
            let passed = after.as_deref().is_some_and(|after| tool.exposed.as_str() <= after);
            if !of_scope || passed || !self.sees(&world, subject, tool, now) {
                continue;
            }
            more = shown.len() == PAGE;
            if more {
                break;
            }
            shown.push(tool);
        }
        let next_cursor =
            shown.last().filter(|_| more).map(|last| self.cursors.seal(&subject.agent, last.exposed.as_str()));
        self.listed(subject, &request, &world, (shown.len(), now)).await?;
        let tools = shown.into_iter().map(|tool| match request.scope {
            Scope::All => tool.listed.clone(),
            Scope::Server(_) => tool.listed_alone.clone(),
        });
        Ok(ListPage { items: tools.collect(), next_cursor, ttl_ms: TTL_MS, missing: Vec::new() })
    }

    fn sees(&self, world: &World, subject: &Subject, tool: &Tool, now: Timestamp) -> bool {
        let candidates =
            self.parts.exceptions.candidates(&subject.agent, &tool.reference, now, self.parts.clock.is_suspect());
        world.policies.visibility(subject, tool, &candidates, now) != Visibility::Hidden
    }

    async fn listed(
        &self,
        subject: &Subject,
        request: &ListRequest,
        world: &World,
        (shown, now): (usize, Timestamp),
    ) -> Result<(), RpcError> {
        let mut caller = Caller::of(subject, request.origin.version);
        caller.session = request.origin.session.clone();
        let server = match &request.scope {
            Scope::All => None,
            Scope::Server(server) => Some(server.clone()),
        };
        let tools = u32::try_from(shown).unwrap_or(u32::MAX);
        let record = Record::Listing(Listing { at: now, caller, server, tools, catalog: world.catalog.digest() });
        self.parts.admission.record(record).await.map(|_| ()).map_err(|error| {
            tracing::error!(%error, "a list is not recorded and not given out");
            RpcError::new(code::INTERNAL, "The gateway cannot keep its record now (audit_unavailable).")
                .with_status(http::StatusCode::SERVICE_UNAVAILABLE)
        })
    }
}
