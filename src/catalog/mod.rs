//! What can be called: servers, tools, names, pins and schemas.

mod admit;
mod argument;
mod expansion;
mod exposed;
mod inquiry;
mod json;
mod names;
mod pin;
mod quarantine;
mod schema;
mod shelf;
mod snapshot;
mod text;
mod tool;
mod uri;

pub use admit::admit;
pub use argument::{ArgumentError, ToolCall};
pub use exposed::{expose_prompt, expose_uri, resolve_prompt, resolve_uri};
pub use inquiry::{Inquiry, InquiryFault, Target};
pub use names::Names;
pub use pin::{Pin, PinRow, PinStore, PinStoreError, Pins};
pub use quarantine::{Quarantine, QuarantineReason};
pub use schema::SchemaFault;
pub use shelf::{Features, Item, Shelf, Ware, Wares};
pub use snapshot::{Catalog, Entry};
pub use tool::Tool;
pub use uri::{Uri, UriFault};

#[cfg(test)]
mod tests;
