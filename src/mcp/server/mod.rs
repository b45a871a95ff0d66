//! The agents' side: one endpoint over HTTP for both eras, and the port that the gateway fills.

mod endpoint;
mod handler;

pub use endpoint::{Answer, Endpoint};
pub use handler::{
    CallMeta, CallRequest, EndpointSettings, Handler, HttpRefusal, Link, ListPage, ListRequest, Origin, RpcError, Scope,
};
