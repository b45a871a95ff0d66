//! How tools, subjects and arguments look to Cedar.

mod entity;
mod input;
mod mention;

pub use entity::{Names, Verb, schema};
pub use input::{Input, Shape, Unfit, decimal, whole};
pub use mention::Mention;
