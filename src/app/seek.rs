//! AuthZEN searches: which agents, tools or actions a role allows, among those that are known here.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::{authzen::typed, house::House, judge};
use crate::{
    api::{Action, ApiError, CALL, Context, Found, Hit, Page, PageWish, Search, Sought, Thing},
    domain::{AgentId, Digest, Effect, PersonId, Timestamp, limits},
    gateway::World,
    policy::Visibility,
};

/// Where a page begins, and of which search.
#[derive(Serialize, Deserialize)]
struct Place {
    after: String,
    of: Digest,
}

impl House {
    /// What was looked for, in order, page by page. Without arguments only what is allowed whatever they are counts;
    /// exceptions never count, since they work only through the gateway.
    pub(super) fn found(&self, sought: Sought, search: &Search) -> Result<Found, ApiError> {
        let action = search.action.as_ref().map_or(CALL, |action| action.name.as_str());
        typed(&search.subject.kind, action, &search.resource.kind)?;
        if search.action.is_none() && sought != Sought::Action {
            return Err(ApiError::invalid("`action` is missing: the only one is `tools/call`"));
        }
        let world = self.keeper.world.load_full();
        let now = self.clock.now();
        let named = |id: &Option<String>, what: &str| {
            id.clone().ok_or_else(|| ApiError::invalid(format!("`{what}.id` is missing: say which")))
        };
        let agent = || named(&search.subject.id, "subject");
        let tool = || named(&search.resource.id, "resource");
        let of = identity(sought, search);
        match sought {
            Sought::Subject => {
                let tool = tool()?;
                let agents: Vec<String> = world.policies.registry().agents.keys().map(ToString::to_string).collect();
                let hit = |id: &str| may(&world, (id, &tool), &search.context, now);
                page((&search.page, of), agents, hit, |id| thing("agent", id))
            }
            Sought::Resource => {
                let agent = agent()?;
                let entries = world.catalog.entries();
                let tools: Vec<String> = entries.map(|entry| entry.tool.reference.to_string()).collect();
                let hit = |id: &str| may(&world, (&agent, id), &search.context, now);
                page((&search.page, of), tools, hit, |id| thing("tool", id))
            }
            Sought::Action => {
                let (agent, tool) = (agent()?, tool()?);
                let hit = |_: &str| may(&world, (&agent, &tool), &search.context, now);
                page((&search.page, of), vec![CALL.to_owned()], hit, |name| Hit::Action(Action { name }))
            }
        }
    }
}

/// Whether a role allows it. Arguments that do not fit the tool are no call of it.
fn may(world: &World, (agent, tool): (&str, &str), context: &Context, now: Timestamp) -> Result<bool, ApiError> {
    let person = context.on_behalf_of.as_deref().map(PersonId::from);
    let subject = judge::subject(world, &AgentId::from(agent), (person.as_ref(), &[]), now)?;
    let Some(tool) = judge::tool_at(world, tool) else { return Ok(false) };
    if context.arguments.is_empty() {
        return Ok(world.policies.visibility(&subject, &tool, &[], now) == Visibility::Allowed);
    }
    match judge::rule(world, &subject, (tool, &context.arguments), &[], now) {
        Ok(ruled) => Ok(ruled.verdict.effect == Effect::Allow),
        Err(error) if error.status.is_client_error() => Ok(false),
        Err(error) => Err(error),
    }
}

/// One page of the candidates that hit. It judges a bounded number of them, so it may be short or empty and still not
/// be the last: the token says.
fn page(
    (wish, of): (&PageWish, Digest),
    mut candidates: Vec<String>,
    mut hits: impl FnMut(&str) -> Result<bool, ApiError>,
    make: impl Fn(String) -> Hit,
) -> Result<Found, ApiError> {
    let limit = wish.limit.unwrap_or(limits::SEARCH_PAGE);
    if !(1..=limits::SEARCH_PAGE).contains(&limit) {
        return Err(ApiError::invalid(format!("`page.limit` must be from 1 to {}", limits::SEARCH_PAGE)));
    }
    candidates.sort();
    let after = match wish.token.as_deref() {
        None | Some("") => None,
        Some(token) => Some(place(token, of)?),
    };
    let mut rest = candidates.into_iter().filter(|id| after.as_ref().is_none_or(|after| id > after)).peekable();
    let (mut results, mut last) = (Vec::new(), String::new());
    for id in rest.by_ref().take(limits::SEARCH_JUDGED) {
        last.clone_from(&id);
        if hits(&id)? {
            results.push(make(id));
        }
        if results.len() >= limit {
            break;
        }
    }
    let next_token = match rest.peek() {
        None => String::new(),
        Some(_) => token(&Place { after: last, of })?,
    };
    Ok(Found { page: Page { next_token, count: results.len() }, results })
}

fn token(place: &Place) -> Result<String, ApiError> {
    serde_json::to_vec(place).map(|text| URL_SAFE_NO_PAD.encode(text)).map_err(|_| ApiError::internal())
}

/// Where this search goes on; a token holds nothing that has to be believed.
fn place(token: &str, of: Digest) -> Result<String, ApiError> {
    let wrong = || ApiError::invalid("`page.token` is not of this search: ask the same again, or begin without one");
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| wrong())?;
    let place: Place = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
    if place.of == of { Ok(place.after) } else { Err(wrong()) }
}

/// What makes two pages pages of the same search.
fn identity(sought: Sought, search: &Search) -> Digest {
    let context = serde_json::to_vec(&search.context).unwrap_or_default();
    let (subject, resource) = (search.subject.id.as_deref(), search.resource.id.as_deref());
    let ids = match sought {
        Sought::Subject => ("subject", None, resource),
        Sought::Resource => ("resource", subject, None),
        Sought::Action => ("action", subject, resource),
    };
    Digest::of_parts(&[format!("{ids:?}\n").as_bytes(), &context])
}

fn thing(kind: &str, id: String) -> Hit {
    Hit::Thing(Thing { kind: kind.to_owned(), id })
}
