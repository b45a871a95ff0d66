//! Second readings, slow and plain, that the product's own are held against.

pub mod events;
pub mod head;
pub mod json;
pub mod uri;
