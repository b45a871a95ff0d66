//! The promises of identity.
