//! The wire: messages, headers, both eras, sessions and transports.
