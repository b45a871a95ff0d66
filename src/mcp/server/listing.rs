//! Pages of lists, in both eras.

use bytes::Bytes;

use crate::mcp::{Id, List, Params, Version};

use super::{Endpoint, ListRequest, RpcError, context::Context, reading, results};
use crate::domain::SessionId;

/// The result of a request for a page.
///
/// # Errors
/// A cursor that is none; what the handler answers.
pub(super) async fn page(
    endpoint: &Endpoint,
    context: &Context,
    (version, session): (Version, Option<&SessionId>),
    (id, list, params): (Id<'_>, List, &Params<'_>),
) -> Result<Bytes, RpcError> {
    let cursor = reading::cursor(params)?;
    let origin = context.origin(version, id, session);
    let request = ListRequest { list, scope: context.scope.clone(), cursor, era: version.era, origin };
    let page = endpoint.handler().list(&context.subject, request).await?;
    Ok(results::list(&page, list, version.era))
}
