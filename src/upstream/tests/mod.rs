//! What the room promises, against real children and real servers on loopback.

mod edge;
mod faults;
mod fetch;
mod legacy;
mod modern;
mod openapi;
mod openapi_calls;
mod openapi_support;
mod peer;
mod stdio;
mod support;
