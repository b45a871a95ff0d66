//! What is offered: which methods are served, and the capabilities that say so.

use crate::{
    domain::Subject,
    mcp::{TASKS, emit},
};

use super::{Endpoint, Offer, Scope};

/// Whether this method of a server is served. Tools always are, so that calls need not ask.
pub(super) fn serves(endpoint: &Endpoint, subject: &Subject, scope: &Scope, method: &str) -> bool {
    let offer = || endpoint.handler().offer(subject, scope);
    match method {
        "tools/list" | "tools/call" => true,
        "prompts/list" | "prompts/get" => offer().prompts,
        "resources/list" | "resources/templates/list" | "resources/read" => offer().resources,
        "resources/subscribe" | "resources/unsubscribe" => offer().subscribe,
        "completion/complete" => offer().completions,
        "logging/setLevel" => offer().logging,
        "tasks/get" | "tasks/update" | "tasks/cancel" => tasks(&offer()),
        _ => false,
    }
}

/// Whether the extension for tasks is offered.
pub(super) fn tasks(offer: &Offer) -> bool {
    offer.extensions.iter().any(|(name, _)| **name == *TASKS)
}

/// The capabilities of an offer, with these of its extensions.
pub(super) fn capabilities(offer: &Offer, extension: impl Fn(&str) -> bool) -> Vec<u8> {
    const CHANGES: &[u8] = br#"{"listChanged":true}"#;
    let extensions: Vec<(&str, &[u8])> = offer
        .extensions
        .iter()
        .filter(|(name, _)| extension(name))
        .map(|(name, settings)| (&**name, settings.get().as_bytes()))
        .collect();
    let extensions = (!extensions.is_empty()).then(|| emit::object(&extensions));
    let mut all: Vec<(&str, &[u8])> = vec![("tools", CHANGES)];
    if offer.prompts {
        all.push(("prompts", CHANGES));
    }
    if offer.resources {
        let watched = br#"{"subscribe":true,"listChanged":true}"#;
        all.push(("resources", if offer.subscribe { watched } else { CHANGES }));
    }
    if offer.completions {
        all.push(("completions", b"{}"));
    }
    if offer.logging {
        all.push(("logging", b"{}"));
    }
    if let Some(extensions) = &extensions {
        all.push(("extensions", extensions));
    }
    emit::object(&all).into()
}
