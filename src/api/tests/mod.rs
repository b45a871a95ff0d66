//! What the API promises.

mod bodies;
mod fake;
mod table;
