//! Tool servers that are children and speak on their standard input and output.

mod child;
mod detect;
mod keeper;
mod line;
mod live;
mod pipe;

pub(super) use keeper::StdioServer;
