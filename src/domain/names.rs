//! The names of telemetry, in one place (OpenTelemetry semantic conventions for MCP and GenAI, status
//! Development; what they do not define has the prefix `postern.`).

/// Instrumentation scope.
pub const SCOPE: &str = "postern";
/// MCP method of the request.
pub const MCP_METHOD: &str = "mcp.method.name";
/// MCP revision that the peer speaks.
pub const MCP_PROTOCOL: &str = "mcp.protocol.version";
/// Legacy session id.
pub const MCP_SESSION: &str = "mcp.session.id";
/// Tool name, as the peer of the span knows it.
pub const TOOL: &str = "gen_ai.tool.name";
/// The prompt.
pub const PROMPT: &str = "gen_ai.prompt.name";
/// `execute_tool` for tool calls.
pub const OPERATION: &str = "gen_ai.operation.name";
/// The agent.
pub const AGENT: &str = "gen_ai.agent.id";
/// The person the agent acts for, as an opaque reference.
pub const USER: &str = "enduser.pseudo.id";
/// JSON-RPC id in text form.
pub const REQUEST_ID: &str = "jsonrpc.request.id";
/// JSON-RPC error code in text form.
pub const STATUS_CODE: &str = "rpc.response.status_code";
/// What went wrong.
pub const ERROR_TYPE: &str = "error.type";
/// `tcp` or `pipe`.
pub const TRANSPORT: &str = "network.transport";
/// The tool server's address.
pub const SERVER_ADDRESS: &str = "server.address";
/// The tool server's port.
pub const SERVER_PORT: &str = "server.port";
/// The agent's address.
pub const CLIENT_ADDRESS: &str = "client.address";
/// The tool server's name in the configuration.
pub const SERVER: &str = "postern.server";
/// `allow`, `deny`.
pub const DECISION: &str = "postern.authz.decision";
/// Which set spoke.
pub const BASIS: &str = "postern.authz.basis";
/// Why.
pub const REASON: &str = "postern.authz.reason";
/// Joins evidence.
pub const DECISION_ID: &str = "postern.authz.decision.id";
/// Policies that determined the decision.
pub const POLICY_ID: &str = "postern.authz.policy.id";
/// Digest of the policy set.
pub const POLICY_VERSION: &str = "postern.authz.policy.version";
/// The exception.
pub const EXCEPTION: &str = "postern.exception.id";
/// The pilot.
pub const PILOT: &str = "postern.pilot.id";
/// End of the exception.
pub const EXCEPTION_EXPIRES: &str = "postern.exception.expires_at";
/// Obligations that the decision carries.
pub const MONITORING_REQUIRED: &str = "postern.monitoring.required";
/// Obligations that were met.
pub const MONITORING_SATISFIED: &str = "postern.monitoring.satisfied";
/// Sequence number of the intent in the journal.
pub const AUDIT_SEQ: &str = "postern.audit.seq";
/// Size of the result in bytes.
pub const RESULT_SIZE: &str = "postern.tool.result.size";
/// The span was sent again, from the journal.
pub const REPLAYED: &str = "postern.trace.replayed";
