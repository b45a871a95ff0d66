//! What the room promises, against real children and real servers on loopback.

mod edge;
mod events;
mod faults;
mod fetch;
mod ghosts;
mod hostile;
mod legacy;
mod modern;
mod openapi;
mod openapi_calls;
mod openapi_support;
mod peer;
mod requests;
mod rounds;
mod stdio;
mod support;
mod waiting;
mod watches;
