//! Operator commands: the same operations as the API, in a terminal.

mod ask;
mod changes;
mod check;
mod client;
mod command;
mod doctor;
mod evidence;
mod exit;
mod freeze;
mod help;
mod hold;
mod key;
mod local;
mod parts;
mod pilot;
mod remote;
mod render;
mod report;
mod report_render;
mod run;
mod screen;
mod stdio;
mod study;
mod study_text;
mod table;

pub use command::Cli;
pub use parts::{CheckReport, Parts, ProofReport, Serving};
pub use run::run;

#[cfg(test)]
mod tests;
