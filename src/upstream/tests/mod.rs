//! What the room promises, against real children and real servers on loopback.

mod edge;
mod faults;
mod fetch;
mod legacy;
mod modern;
mod peer;
mod stdio;
mod support;
