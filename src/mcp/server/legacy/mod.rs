//! The legacy era, revisions 2024-11-05 to 2025-11-25: `initialize`, then a session, whose clients are asked back on
//! the stream of the request that needs it.

mod answer;
mod asked;
mod batch;
mod initialize;
mod replay;
mod results;
mod rounds;
mod serving;
mod session;
mod standing;
mod subscribing;

pub(super) use answer::{answer, end};
pub(super) use asked::Waiting;
pub(super) use batch::batch;
pub(super) use session::Sessions;
pub(super) use standing::open_stream;
