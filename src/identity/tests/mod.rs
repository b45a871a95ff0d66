//! What identity promises.
