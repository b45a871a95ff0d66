//! The wire: messages, headers, both eras, sessions and transports.
//!
//! Bytes become a [`Message`] in one strict scan and one borrowed parse; what leaves is written anew from
//! its parts, so what was judged is what is sent. [`server`] faces agents, [`client`] helps to face tool servers.

pub mod client;
pub mod code;
pub mod emit;
pub mod headers;
pub mod server;

mod call;
mod capabilities;
mod fold;
mod input;
mod list;
mod message;
mod mirror;
mod notice;
mod scan;
mod sentinel;
mod sse;
mod strict;
#[cfg(test)]
mod tests;
mod version;

pub use call::{CallParams, Meta};
pub use capabilities::{Capabilities, Feature, TASKS};
pub use headers::HeaderFault;
pub use input::{InputGiven, InputMethod, InputRequest, InputRequired};
pub use list::{Filter, List};
pub use message::{Id, IdKey, Message, Params, RpcFault, members};
pub use mirror::{BadAnnotation, Mirrored, Mirrors};
pub use notice::{LogLevel, Notice};
pub use sse::{Decoder, Event, StreamFault, comment, event, numbered, primer, retry};
pub use strict::{Limits, ParseError, scan};
pub use version::{Era, LEGACY, MODERN, Version};
