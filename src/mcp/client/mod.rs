//! Towards tool servers: requests to send, answers to read; pure, no connection is held here.

mod incoming;
mod request;
mod result;

pub use incoming::{Answer, Incoming, RpcFailure, read, read_body};
pub use request::{
    Call, Outgoing, Speaker, call_tool, cancelled, discover, initialize, initialized, list_tools, listen, pong, refuse,
};
pub use result::{Complete, ResultFault, Server, ToolPage, complete, server, tools};
