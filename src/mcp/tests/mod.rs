//! Promises of the wire that need more room than a unit test.
