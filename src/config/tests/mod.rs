//! What the configuration promises.

mod faults;
mod folder;
mod openapi;
mod settings;
