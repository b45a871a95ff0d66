//! Towards tool servers: requests to send, answers to read; pure, no connection is held here.

mod greeting;
mod incoming;
mod offer;
mod reply;
mod request;
mod result;

pub use greeting::{discover, farewell, initialize, initialized, standing_stream};
pub use incoming::{Answer, Incoming, News, RpcFailure, Topic, read, read_batch, read_body};
pub use offer::{Offer, Page, Server, page, server};
pub use reply::{answer, fault, no_roots, pong, refuse};
pub use request::{Along, Carried, Outgoing, Speaker, cancelled, carry, list, listen, set_level, subscribe};
pub use result::{Complete, Outcome, ResultFault, outcome};
