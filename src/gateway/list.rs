//! The short road of a list: filtered before it is cut into pages, recorded before it is given out.

use std::sync::Arc;

use super::{Gateway, Purpose, World};
use crate::{
    catalog::{Item, Tool, Ware},
    domain::{Effect, Subject, Timestamp},
    evidence::{Caller, Listing, Record},
    mcp::{
        List, code,
        server::{ListPage, ListRequest, RpcError, Scope},
    },
    policy::{Deed, Visibility},
};

/// Entries on one page.
const PAGE: usize = 1_000;
/// How long a list may be believed.
const TTL_MS: u64 = 5_000;

impl Gateway {
    pub(super) async fn tools(&self, subject: &Arc<Subject>, request: ListRequest) -> Result<ListPage, RpcError> {
        let now = self.parts.clock.now();
        let world = self.parts.world.load_full();
        let after = self.after(subject, &request)?;
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
        let last = shown.last().filter(|_| more).map(|last| last.exposed.as_str());
        let next_cursor = self.cursor(subject, &request, last)?;
        self.listed(subject, &request, &world, (shown.len(), now)).await?;
        let tools = shown.into_iter().map(|tool| match request.scope {
            Scope::All => tool.listed.clone(),
            Scope::Server(_) => tool.listed_alone.clone(),
        });
        let items = tools.collect();
        let mut missing = self.missing(subject, &request.scope);
        missing.retain(|server| world.catalog.tools().all(|tool| tool.reference.server != *server));
        Ok(ListPage { items, next_cursor, ttl_ms: TTL_MS, missing })
    }

    /// Prompts, resources or templates.
    pub(super) async fn wares(
        &self,
        subject: &Arc<Subject>,
        request: ListRequest,
        ware: Ware,
    ) -> Result<ListPage, RpcError> {
        let now = self.parts.clock.now();
        let world = self.parts.world.load_full();
        let after = self.after(subject, &request)?;
        let of_scope = |item: &&Arc<Item>| match &request.scope {
            Scope::All => true,
            Scope::Server(server) => item.server == *server,
        };
        let visible = |item: &&Arc<Item>| of_scope(item) && self.reads(&world, subject, (ware, item), now);
        let mut shown: Vec<&Arc<Item>> = match &after {
            None => world.shelf.of(ware).filter(visible).take(PAGE + 1).collect(),
            Some(after) => world.shelf.after(ware, after).filter(visible).take(PAGE + 1).collect(),
        };
        let more = shown.len() > PAGE;
        shown.truncate(PAGE);
        let last = shown.last().filter(|_| more).map(|last| &*last.exposed);
        let next_cursor = self.cursor(subject, &request, last)?;
        self.listed(subject, &request, &world, (shown.len(), now)).await?;
        let items = shown.into_iter().map(|item| match request.scope {
            Scope::All => item.listed.clone(),
            Scope::Server(_) => item.listed_alone.clone(),
        });
        let items = items.collect();
        Ok(ListPage { items, next_cursor, ttl_ms: TTL_MS, missing: self.missing(subject, &request.scope) })
    }

    /// Behind which exposed name the page begins.
    fn after(&self, subject: &Subject, request: &ListRequest) -> Result<Option<String>, RpcError> {
        let Some(cursor) = &request.cursor else { return Ok(None) };
        let opened = self.seals().open(Purpose::Cursor, subject, &[request.list.method()], cursor);
        let name = opened.and_then(|text| String::from_utf8(text).ok());
        let foreign = || RpcError::invalid_params("the cursor is not one of this list; begin again without one");
        name.map(Some).ok_or_else(foreign)
    }

    fn cursor(&self, subject: &Subject, request: &ListRequest, last: Option<&str>) -> Result<Option<String>, RpcError> {
        let Some(last) = last else { return Ok(None) };
        let sealed = self.seals().seal(Purpose::Cursor, subject, &[request.list.method()], last.as_bytes());
        sealed.map(Some).ok_or_else(RpcError::internal)
    }

    fn reads(&self, world: &World, subject: &Subject, (ware, item): (Ware, &Item), now: Timestamp) -> bool {
        let deed = match (ware, &item.uri) {
            (Ware::Prompt, _) => Deed::Get(&item.server, &item.own),
            (Ware::Resource, Some(uri)) => Deed::Read(&item.server, uri),
            // What a template leads to is judged when it is read.
            (Ware::Resource | Ware::Template, _) => return world.policies.may_read(subject, &item.server),
        };
        world.policies.allows(subject, &deed, now).effect == Effect::Allow
    }

    fn sees(&self, world: &World, subject: &Subject, tool: &Tool, now: Timestamp) -> bool {
        let candidates =
            self.parts.exceptions.candidates(&subject.agent, &tool.reference, now, self.parts.clock.is_suspect());
        world.policies.listed(subject, tool, &candidates, now) != Visibility::Hidden
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
        let method = (request.list != List::Tools).then(|| request.list.method().to_owned());
        let record =
            Record::Listing(Listing { method, at: now, caller, server, tools, catalog: world.catalog.digest() });
        self.parts.admission.record(record).await.map(|_| ()).map_err(|error| {
            tracing::error!(%error, "a list is not recorded and not given out");
            RpcError::new(code::INTERNAL, "The gateway cannot keep its record now (audit_unavailable).")
                .with_status(http::StatusCode::SERVICE_UNAVAILABLE)
        })
    }
}
