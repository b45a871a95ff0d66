//! The error codes of JSON-RPC 2.0 and of MCP 2026-07-28.

/// The body is not JSON that is read here.
pub const PARSE: i32 = -32700;
/// The body is not a message.
pub const INVALID_REQUEST: i32 = -32600;
/// The method is not offered.
pub const METHOD_NOT_FOUND: i32 = -32601;
/// The parameters are wrong, or name something that the caller cannot see.
pub const INVALID_PARAMS: i32 = -32602;
/// We broke.
pub const INTERNAL: i32 = -32603;
/// A resource is not there (revisions up to 2025-11-25; later ones say that the parameters are wrong).
pub const RESOURCE_NOT_FOUND: i32 = -32002;
/// A header does not agree with the body.
pub const HEADER_MISMATCH: i32 = -32020;
/// The client did not declare a capability that the answer needs.
pub const MISSING_CAPABILITY: i32 = -32021;
/// The revision is not spoken here.
pub const UNSUPPORTED_VERSION: i32 = -32022;
/// A client has to open a URL first; of revision 2025-11-25 only.
pub const URL_ELICITATION_REQUIRED: i32 = -32042;
