//! Postern: the tool-access gateway for AI agents. This page is the map of the house.
//!
//! One package, one house. Rooms are modules with one job; who may import whom is a table in
//! `tests/architecture.rs`. A call walks from [`mcp`] through [`gateway`] to [`upstream`] and back,
//! and each step hands the next one a value that proves the step was done.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::wildcard_enum_match_arm, reason = "in a test anything else is a failure"))]

pub mod analysis;
pub mod api;
pub mod app;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod console;
pub mod delivery;
pub mod domain;
pub mod evidence;
pub mod exception;
pub mod gateway;
pub mod identity;
pub mod mcp;
pub mod monitoring;
pub mod policy;
pub mod report;
pub mod store;
pub mod telemetry;
pub mod upstream;
