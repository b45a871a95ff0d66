//! Operator commands: the same operations as the API, in a terminal.

mod alerts;
mod ask;
mod changes;
mod check;
mod client;
mod command;
mod copies;
mod doctor;
mod evidence;
mod exit;
mod exports;
mod freeze;
mod help;
mod hold;
mod key;
mod local;
mod parts;
mod pilot;
mod proof;
mod remote;
mod render;
mod report;
mod report_render;
mod retention;
mod run;
mod screen;
mod shred;
mod signing;
mod stdio;
mod study;
mod study_text;
mod table;
mod tail;
mod traces;
mod witnessed;

pub use command::Cli;
pub use parts::{CheckReport, Parts, ProofReport, Serving};
pub use run::run;

#[cfg(test)]
mod tests;
