//! What the commands promise.

mod answers;
mod arguments;
mod asking;
mod evidence;
mod reports;
mod tables;
