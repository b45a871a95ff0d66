//! The agents' side: one endpoint over HTTP for both eras, and the port that the gateway fills.

mod body;
mod changes;
mod context;
mod declared;
mod endpoint;
mod guard;
mod handler;
mod legacy;
mod listing;
mod lock;
mod modern;
mod notices;
mod offered;
mod reading;
mod reply;
mod results;
mod stream;
mod wire;

pub use endpoint::Endpoint;
pub use handler::{
    CallMeta, EndpointSettings, Event, Handler, HttpRefusal, Link, ListPage, ListRequest, ListenRequest, Listening,
    Offer, Origin, Reply, Request, RpcError, Scope,
};
pub use reply::Answer;
pub use wire::Wire;
