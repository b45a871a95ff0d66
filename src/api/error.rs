//! What the API answers when it does not do what was asked.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::domain::{Fault, Findings};

/// A refusal or a failure, as the caller sees it. Details for operators go to the log, not here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// The status of the answer.
    pub status: StatusCode,
    /// A fixed word for programs.
    pub code: &'static str,
    /// One sentence for people; lower case, no full stop.
    pub message: String,
    /// What is wrong with the document that was sent.
    pub findings: Findings,
    /// The type of an RFC 9457 problem, where a specification asks for one.
    pub problem: Option<String>,
    /// The value of `WWW-Authenticate`, where it is not the ordinary one.
    pub challenge: Option<String>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), findings: Findings::default(), problem: None, challenge: None }
    }

    /// 400: what was sent cannot be read.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    /// 401: no credential, or one that does not count.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "a valid key of a person is required")
    }

    /// 401: known, but to sign in more strongly first (RFC 9470).
    #[must_use]
    pub fn step_up(message: impl Into<String>, challenge: String) -> Self {
        let new = Self::new(StatusCode::UNAUTHORIZED, "insufficient_user_authentication", message);
        Self { challenge: Some(challenge), ..new }
    }

    /// 403: known, but not allowed.
    #[must_use]
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// 404: the same for what does not exist and for what this person may not see (T163).
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing here")
    }

    /// 409: it is not in a state in which this can be done, or it changed meanwhile.
    #[must_use]
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// 410: it was here, and was removed when its time was over.
    #[must_use]
    pub fn gone(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "gone", message)
    }

    /// 413: the body is too large.
    #[must_use]
    pub fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body is larger than 1 MiB")
    }

    /// 415: the body is of a type that is not read here.
    #[must_use]
    pub fn media_type(expected: &str) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", format!("send the body as {expected}"))
    }

    /// 422: the document was read, and is faulty.
    #[must_use]
    pub fn faulty(findings: Findings) -> Self {
        let message = match findings.0.len() {
            1 => "the document has a fault".to_owned(),
            count => format!("the document has {count} faults"),
        };
        Self { findings, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "faulty_document", message) }
    }

    /// 503: something that the answer needs is not there now.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }

    /// 503: it would have to be on record first, and cannot be.
    #[must_use]
    pub fn audit_unavailable() -> Self {
        let message =
            "this read cannot be put on record now, so it is refused; try again when the journal can be written";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "audit_unavailable", message)
    }

    /// 500: we broke.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the gateway failed; its log says why")
    }

    /// A problem of RFC 9457, where a specification names its type.
    #[must_use]
    pub fn problem(status: u16, kind: String, message: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        Self { problem: Some(kind), ..Self::new(status, "problem", message) }
    }

    /// The answer for an error of another room.
    #[must_use]
    pub fn of_fault(fault: Fault, message: impl Into<String>) -> Self {
        match fault {
            Fault::Caller => Self::invalid(message),
            Fault::Refused => Self::forbidden(message),
            Fault::Unavailable => Self::unavailable(message),
            Fault::Internal => Self::internal(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Some(kind) = &self.problem {
            let body = json!({"type": kind, "title": self.message, "status": self.status.as_u16()});
            return (self.status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string())
                .into_response();
        }
        let body = json!({"error": {"code": self.code, "message": self.message, "findings": self.findings}});
        let mut response = (self.status, axum::Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let plain = HeaderValue::from_static("Bearer realm=\"postern administration\"");
            let challenge = self.challenge.and_then(|challenge| challenge.try_into().ok()).unwrap_or(plain);
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
