//! Tests of the bridge.

mod arguments;
mod faults;
mod legacy;
mod lines;
mod modern;
mod script;
