//! The table of routes as a service.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Router,
    extract::{RawPathParams, Request},
    middleware,
    response::IntoResponse as _,
    routing::{MethodFilter, MethodRouter, on},
};
use http::Method;

use super::{
    ApiError, Operations, ROUTES,
    guard::{Names, guard},
    serve::serve,
};

/// Under which names the administration listener answers.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// Values of Host, lower case (`config::Listen::accepted_hosts`).
    pub hosts: BTreeSet<String>,
    /// Whether the listener speaks TLS.
    pub tls: bool,
}

/// The service of the administration listener. `pages` are the console's; they stand behind the same guard.
pub fn router(operations: Arc<dyn Operations>, pages: Router, settings: ApiSettings) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let operations = Arc::clone(&operations);
        let handler = move |params: RawPathParams, request: Request| {
            let operations = Arc::clone(&operations);
            async move {
                let id = params.iter().next().map(|(_, value)| value.to_owned());
                serve(operations.as_ref(), route, id, request).await.unwrap_or_else(ApiError::into_response)
            }
        };
        let on_method: MethodRouter = on(filter(&route.method), handler);
        router = router.route(route.path, on_method);
    }
    let names = Names { hosts: Arc::new(settings.hosts), scheme: if settings.tls { "https" } else { "http" } };
    router
        .merge(pages)
        .fallback(|| async { ApiError::not_found() })
        .method_not_allowed_fallback(|| async { ApiError::not_found() })
        .layer(middleware::from_fn_with_state(names, guard))
}

fn filter(method: &Method) -> MethodFilter {
    match *method {
        Method::POST => MethodFilter::POST,
        Method::DELETE => MethodFilter::DELETE,
        _ => MethodFilter::GET,
    }
}
