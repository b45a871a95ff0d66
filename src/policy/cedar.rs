//! Small bridges to Cedar: entity ids, places of errors, one evaluation.

use std::{collections::HashSet, str::FromStr as _};

use cedar_policy::{Authorizer, Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicySet, Request};
use miette::Diagnostic;

use crate::domain::RoleName;

/// An entity id; the type is one of our own names, so it always parses.
pub(super) fn uid(kind: &str, id: &str) -> Option<EntityUid> {
    Some(EntityUid::from_type_name_and_id(EntityTypeName::from_str(kind).ok()?, EntityId::new(id)))
}

/// A principal with its roles, as entities.
pub(super) fn principal(kind: &str, id: &str, roles: &[RoleName]) -> Option<(EntityUid, Vec<Entity>)> {
    let of = uid(kind, id)?;
    let parents: HashSet<EntityUid> = roles.iter().filter_map(|role| uid("Role", role.as_str())).collect();
    let mut entities: Vec<Entity> = parents.iter().map(|role| Entity::new_no_attrs(role.clone(), HashSet::new())).collect();
    entities.push(Entity::new_no_attrs(of.clone(), parents));
    Some((of, entities))
}

/// What one evaluation said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// These policies match, by id; never empty.
    Matched(Vec<String>),
    /// None does.
    Nothing,
    /// Some policy could not be evaluated; nothing that was said counts.
    Failed(String),
}

/// Asks one set, whose policies all have the same effect, which of them match.
pub(super) fn ask(set: &PolicySet, request: &Request, entities: &Entities) -> Answer {
    let response = Authorizer::new().is_authorized(request, set, entities);
    if let Some(error) = response.diagnostics().errors().next() {
        return Answer::Failed(error.to_string());
    }
    let mut matched: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
    if matched.is_empty() {
        return Answer::Nothing;
    }
    matched.sort();
    Answer::Matched(matched)
}

/// A request that is not validated again: its parts were built by type.
pub(super) fn request(principal: &EntityUid, action: &EntityUid, resource: &EntityUid, context: Context) -> Option<Request> {
    Request::new(principal.clone(), action.clone(), resource.clone(), context, None).ok()
}

/// The line of a diagnostic in its text, from 1.
pub(super) fn line_of(diagnostic: &dyn Diagnostic, text: &str) -> usize {
    let offset = diagnostic.labels().and_then(|mut labels| labels.next()).map_or(0, |label| label.offset());
    line_at(text, offset)
}

/// The line of a byte offset, from 1.
pub(super) fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}
