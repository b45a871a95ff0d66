//! One conversation with a server that answers on a stream of its own: a child, or HTTP with server-sent events.

mod conversation;
mod flight;
mod ticket;

pub(super) use conversation::Link;
pub(super) use flight::LinkFlight;
pub(super) use ticket::Ticket;
