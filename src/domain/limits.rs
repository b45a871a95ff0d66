//! Every bound that is not a setting, by name (SECURITY: everything has a bound, I7).

use std::time::Duration;

/// Bytes of a request body.
pub const BODY: usize = 1 << 20;
/// Bytes of an answer of a tool server, of a line on stdio, of a result.
pub const ANSWER: usize = 8 << 20;
/// Bytes of one event of an event stream from a tool server.
pub const EVENT: usize = 1 << 20;
/// Nesting of JSON in a message.
pub const DEPTH: usize = 32;
/// Bytes of what a request is for: a name, a URI, the id of a task.
pub const TARGET: usize = 8 << 10;
/// Resources, and tasks, that one subscription may name.
pub const SUBSCRIBED: usize = 256;
/// Characters of a JSON-RPC id that is a string.
pub const MESSAGE_ID: usize = 128;
/// Bytes of all request headers.
pub const HEADER_BYTES: usize = 32 << 10;
/// Count of request headers.
pub const HEADERS: usize = 64;
/// Bytes of a tool's input schema.
pub const SCHEMA: usize = 64 << 10;
/// Subschemas that a tool's input schema may expand to.
pub const SCHEMA_EXPANSIONS: usize = 10_000;
/// Bytes of a tool's description.
pub const DESCRIPTION: usize = 4 << 10;
/// Tools of one server.
pub const TOOLS_PER_SERVER: usize = 10_000;
/// Greatest magnitude of an integer that every JSON reader agrees on (RFC 8259 section 6).
pub const SAFE_INTEGER: i64 = (1 << 53) - 1;
/// Connections at once, over all listeners.
pub const CONNECTIONS: usize = 4_096;
/// Calls at once.
pub const IN_FLIGHT: usize = 512;
/// Bytes of request bodies in flight.
pub const IN_FLIGHT_BYTES: usize = 64 << 20;
/// Event streams of one principal at once.
pub const STREAMS_PER_PRINCIPAL: usize = 8;
/// Event streams at once.
pub const STREAMS: usize = 1_000;
/// Legacy sessions of one principal at once.
pub const SESSIONS_PER_PRINCIPAL: usize = 1_024;
/// Requests of one principal at once that wait for its answers to a tool server's questions.
pub const ASKING_PER_PRINCIPAL: usize = 16;
/// Requests at once that wait for answers to a tool server's questions.
pub const ASKING: usize = 1_000;
/// Bytes of the bodies of these requests.
pub const ASKING_BYTES: usize = 64 << 20;
/// Rounds of questions that one request of a legacy client may take.
pub const ROUNDS: usize = 8;
/// Events of one legacy session that are kept for a client whose connection broke.
pub const REPLAY_EVENTS: usize = 256;
/// Bytes of these events; the longest answer has room.
pub const REPLAY_BYTES: usize = ANSWER + (64 << 10);
/// Bytes of these events, over all sessions.
pub const REPLAY_ALL_BYTES: usize = 64 << 20;
/// Calls of one exception that wait for a person's yes at once.
pub const HOLDS_PER_EXCEPTION: usize = 16;
/// Calls that wait for a person's yes, or were answered and are not over, at once.
pub const HOLDS: usize = 256;
/// Rounds at once that wait for a person's yes.
pub const HOLD_WAITS: usize = 64;
/// Scopes that are frozen at once.
pub const FREEZES: usize = 1_000;
/// People, times the surfaces on which they read evidence, whose last read is remembered.
pub const READERS: usize = 4_096;
/// Exceptions that name the same agent and tool at once.
pub const CANDIDATES: usize = 8;
/// Agents that one exception may name.
pub const AGENTS_PER_EXCEPTION: usize = 50;
/// Ranges of addresses that one key may be bound to.
pub const NETWORKS_PER_KEY: usize = 16;
/// Questions of one AuthZEN batch.
pub const EVALUATIONS: usize = 50;
/// Items of one access request.
pub const REQUEST_ITEMS: usize = 16;
/// Results on one page of a search.
pub const SEARCH_PAGE: usize = 100;
/// Candidates that are judged for one page of a search.
pub const SEARCH_JUDGED: usize = 2_000;
/// Combinations of principal and tool that one round of proofs asks about.
pub const PROOF_ENVIRONMENTS: usize = 2_000;
/// Exceptions, and tools, that have series of their own in the metrics; what is beyond counts as `other`.
pub const SERIES: usize = 1_000;

/// Until the request headers are complete.
pub const HEADER_TIME: Duration = Duration::from_secs(5);
/// Until the request body is complete.
pub const BODY_TIME: Duration = Duration::from_secs(10);
/// Until a connection to a tool server stands.
pub const CONNECT_TIME: Duration = Duration::from_secs(5);
/// A call, where nothing shorter is said.
pub const CALL_TIME: Duration = Duration::from_secs(30);
/// The longest that a call may be allowed to last.
pub const CALL_TIME_CEILING: Duration = Duration::from_secs(300);
/// For the answer to a question that a tool server asks during a call.
pub const INPUT_TIME: Duration = Duration::from_secs(300);
/// A round that waits for a person's yes; then the client comes again.
pub const HOLD_WAIT: Duration = Duration::from_secs(25);
/// Between comments that keep an event stream alive.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Before a request is repeated whose server asked for nothing but that.
pub const ROUND_PAUSE: Duration = Duration::from_millis(250);
/// For a client to come back to a stream whose connection broke.
pub const REPLAY_TIME: Duration = Duration::from_secs(300);
/// For calls in flight when the gateway stops.
pub const DRAIN: Duration = Duration::from_secs(25);
/// A legacy session that is not used ends after this.
pub const SESSION_IDLE: Duration = Duration::from_secs(3_600);
/// A verified key is asked for again in the store after this.
pub const CREDENTIAL_CACHE: Duration = Duration::from_secs(1);
/// One question to the solver.
pub const PROOF_QUESTION: Duration = Duration::from_secs(10);
/// All questions of one round of proofs.
pub const PROOFS: Duration = Duration::from_secs(120);
/// Changes of the signing key of one log.
pub const SIGNING_KEYS: usize = 1_000;
