//! What the room promises, against real servers.
