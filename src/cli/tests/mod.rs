//! What the commands promise.

mod answers;
mod arguments;
mod evidence;
mod tables;
