//! Tool servers: connect, supervise, call.
