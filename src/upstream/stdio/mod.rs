//! Tool servers that are children and speak on their standard input and output.

mod child;
mod detect;
mod keeper;
mod line;
mod link;

pub(super) use keeper::StdioServer;
