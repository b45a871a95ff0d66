//! What can be called: servers, tools, names, pins and schemas.

mod admit;
mod argument;
mod names;
mod pin;
mod schema;
mod snapshot;
mod tool;

#[cfg(test)]
mod tests;

pub use admit::{Quarantine, admit};
pub use argument::{ArgumentError, ToolCall};
pub use names::exposed;
pub use pin::{Pin, PinRow, PinStore, PinStoreError, Pins};
pub use snapshot::{Catalog, Entry, Held};
pub use tool::Tool;
