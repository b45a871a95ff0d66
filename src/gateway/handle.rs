//! What the wire asks of the gateway.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use http::{StatusCode, request::Parts as Head};

use super::Gateway;
use crate::{
    catalog::Ware,
    domain::{Fault, Method, ServerName, Subject},
    identity::{Identity, Shown},
    mcp::{
        List, code,
        server::{
            Handler, HttpRefusal, Link, ListPage, ListRequest, ListenRequest, Listening, Offer, Reply, Request,
            RpcError, Scope,
        },
    },
};

#[async_trait]
impl Handler for Arc<Gateway> {
    async fn identify(&self, head: &Head, peer: SocketAddr) -> Result<Arc<Subject>, HttpRefusal> {
        let metadata = &self.parts.resource_metadata;
        let subject = match self.parts.authenticator.authenticate(&head.headers, Shown::From(peer.ip())).await {
            Ok(Identity::Agent(subject)) => subject,
            Ok(Identity::Person(_)) => {
                let message =
                    "this key belongs to a person; agents call tools with keys or tokens of their own".to_owned();
                return Err(HttpRefusal { status: StatusCode::FORBIDDEN, www_authenticate: None, message });
            }
            Err(error) => {
                tracing::debug!(%error, "a credential was not accepted");
                let status = match error.fault() {
                    Fault::Unavailable | Fault::Internal => StatusCode::SERVICE_UNAVAILABLE,
                    Fault::Caller | Fault::Refused => StatusCode::UNAUTHORIZED,
                };
                let message = "a valid credential is needed".to_owned();
                return Err(HttpRefusal { status, www_authenticate: Some(error.challenge(metadata)), message });
            }
        };
        if self.parts.rates.take(&subject.agent).is_err() {
            let message = "too many requests; wait a second".to_owned();
            return Err(HttpRefusal { status: StatusCode::TOO_MANY_REQUESTS, www_authenticate: None, message });
        }
        Ok(subject)
    }

    fn session_ended(&self, version: &'static str, lasted: Duration) {
        self.parts.telemetry.metrics().session_ended(version, lasted);
    }

    fn has_server(&self, server: &ServerName) -> bool {
        self.parts.servers.contains(server)
    }

    async fn list(&self, subject: &Arc<Subject>, request: ListRequest) -> Result<ListPage, RpcError> {
        let subject = &self.labelled(Arc::clone(subject), self.parts.clock.now());
        match request.list {
            List::Tools => self.tools(subject, request).await,
            List::Prompts => self.wares(subject, request, Ware::Prompt).await,
            List::Resources => self.wares(subject, request, Ware::Resource).await,
            List::Templates => self.wares(subject, request, Ware::Template).await,
        }
    }

    fn offer(&self, subject: &Subject, scope: &Scope) -> Offer {
        self.offered(subject, scope)
    }

    async fn serve(&self, subject: Arc<Subject>, request: Request, link: Link) -> Result<Reply, RpcError> {
        let Ok(_place) = self.room.try_acquire() else {
            let busy = RpcError::new(code::INTERNAL, "Too many calls are under way; wait a second.");
            return Err(busy.with_status(StatusCode::SERVICE_UNAVAILABLE));
        };
        match request.method {
            Method::CallTool => self.walk(subject, request, link).await,
            Method::GetPrompt
            | Method::ReadResource
            | Method::Complete
            | Method::Subscribe
            | Method::GetTask
            | Method::UpdateTask
            | Method::CancelTask => self.inquire(subject, request, link).await,
        }
    }

    async fn listen(&self, subject: &Arc<Subject>, request: ListenRequest) -> Result<Listening, RpcError> {
        self.subscribe(subject, request).await
    }
}
