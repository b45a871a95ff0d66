//! What can be called: servers, tools, names, pins and schemas.

mod argument;
mod tool;

pub use argument::{ArgumentError, ToolCall};
pub use tool::Tool;
