//! What the commands promise.

mod answers;
mod arguments;
mod asking;
mod evidence;
mod help;
mod reports;
mod tables;
