//! The endpoint of the agents' side.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use hyper::body::Body;

use super::{EndpointSettings, Handler};

/// An answer over HTTP.
pub type Answer = Response<BoxBody<Bytes, Infallible>>;

/// `/mcp` and `/mcp/{server}`, in both eras.
pub struct Endpoint {
    handler: Arc<dyn Handler>,
    settings: EndpointSettings,
}

impl Endpoint {
    /// An endpoint that asks this handler.
    #[must_use]
    pub fn new(handler: Arc<dyn Handler>, settings: EndpointSettings) -> Self {
        Self { handler, settings }
    }

    /// Answers one request.
    pub async fn respond<B>(&self, request: Request<B>, peer: SocketAddr) -> Answer
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let _ = (&self.handler, &self.settings, request, peer);
        Response::new(BoxBody::default())
    }
}
