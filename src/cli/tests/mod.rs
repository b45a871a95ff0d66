//! What the commands promise.

mod answers;
mod arguments;
mod asking;
mod evidence;
mod tables;
