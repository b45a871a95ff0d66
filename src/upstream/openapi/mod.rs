//! HTTP APIs that an OpenAPI document describes, offered as tools.
//!
//! A document (3.0 or 3.1, a file or a URL) is read within bounds; every operation that was chosen and that can be
//! carried becomes a tool whose schema holds parameters by name and the body as `body`. A call is checked against
//! that schema like any other, then written as one HTTP request whose host, path, query and headers no argument can
//! leave; the answer becomes a tool result.
//!
//! Absent on purpose: typed models of the document (each crate reads 3.0 or 3.1, not both, and drops the members of
//! schemas that it does not know), references to other documents, redirects, and streams.

mod answer;
mod argument;
mod choice;
mod collect;
mod define;
mod document;
mod keeper;
mod load;
mod operation;
mod parameter;
mod read;
mod request;
mod road;
mod schema;
mod settings;
mod url;

pub use load::check_document;
pub use settings::{Choice, OpenApiSettings, Source};

pub(super) use keeper::OpenApiServer;
