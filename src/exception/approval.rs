//! One person's signed yes to one revision of one record.

use std::{collections::BTreeSet, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize};

use super::ceiling::Ceiling;
use crate::domain::{Digest, Duty, ExceptionId, Kind, PersonId, Registry, Timestamp};

/// Signs with the gateway's key, and verifies what it signed.
pub trait Signer: Verifier {
    /// The signature over this message.
    ///
    /// # Errors
    /// The key cannot be used now.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// Verifies what [`Signer`] signed.
pub trait Verifier: Send + Sync {
    /// Whether this is the signature over this message.
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool;
}

/// The key cannot be used now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signing key cannot be used now")]
pub struct SignError;

/// One person's signed yes. It names what it is for, so it fits no other exception, revision or digest (T083).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The exception.
    pub exception: ExceptionId,
    /// Its revision.
    pub revision: u32,
    /// The digest of the spec.
    pub digest: Digest,
    /// Who says yes.
    pub by: PersonId,
    /// Whether the person had the duty `security` then.
    pub as_security: bool,
    /// Whether the person had the duty `approve` or `security` then; only vendor risk approves without them.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub as_approver: bool,
    /// Whether the person had the duty `vendor_risk` then.
    #[serde(default, skip_serializing_if = "is_not")]
    pub as_vendor_risk: bool,
    /// How the person signed in, if the credential said (`amr`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// When.
    pub at: Timestamp,
    /// 128 random bits as hex; used once.
    pub nonce: String,
    /// Signature over [`Approval::message`], base64.
    pub signature: String,
}

/// What is signed; `purpose` keeps it apart from all else that the same key signs.
#[derive(Serialize)]
struct Message<'a> {
    purpose: &'static str,
    exception: &'a ExceptionId,
    revision: u32,
    digest: Digest,
    by: &'a PersonId,
    as_security: bool,
    // What older approvals do not have is left out, so that they still verify.
    #[serde(skip_serializing_if = "is_yes")]
    as_approver: bool,
    #[serde(skip_serializing_if = "is_not")]
    as_vendor_risk: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    methods: &'a [String],
    at: Timestamp,
    nonce: &'a str,
}

impl Approval {
    /// The canonical JSON (RFC 8785) that is signed: every member but the signature.
    ///
    /// # Errors
    /// A value that canonical JSON does not have; an approval holds none.
    pub fn message(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json_canonicalizer::to_vec(&Message {
            purpose: "postern/approval/v1",
            exception: &self.exception,
            revision: self.revision,
            digest: self.digest,
            by: &self.by,
            as_security: self.as_security,
            as_approver: self.as_approver,
            as_vendor_risk: self.as_vendor_risk,
            methods: &self.methods,
            at: self.at,
            nonce: &self.nonce,
        })
    }

    /// The approval with its signature.
    ///
    /// # Errors
    /// The key cannot be used now.
    pub fn signed(mut self, signer: &dyn Signer) -> Result<Self, SignError> {
        let message = self.message().map_err(|_| SignError)?;
        self.signature = BASE64.encode(signer.sign(&message)?);
        Ok(self)
    }

    /// Whether the signature is the gateway's over exactly this approval.
    #[must_use]
    pub fn is_genuine(&self, verifier: &dyn Verifier) -> bool {
        let Ok(message) = self.message() else { return false };
        BASE64.decode(&self.signature).is_ok_and(|signature| verifier.verify(&message, &signature))
    }
}

impl fmt::Debug for Approval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Approval({} r{} {} by {} at {})", self.exception, self.revision, self.digest, self.by, self.at)
    }
}

/// `serde` asks by reference.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
const fn is_not(value: &bool) -> bool {
    !*value
}

const fn yes() -> bool {
    true
}

/// `serde` asks by reference.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
const fn is_yes(value: &bool) -> bool {
    *value
}

/// Who must be among the approvers (GOVERNANCE section 3).
#[derive(Debug, Clone, Copy)]
pub(super) struct Quorum<'a> {
    pub(super) kind: Kind,
    /// The owner of the rules that an exemption lifts.
    pub(super) rule_owner: Option<&'a PersonId>,
}

/// One person's yes, and with which duties.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vote<'a> {
    pub(super) by: &'a PersonId,
    pub(super) approver: bool,
    pub(super) security: bool,
    pub(super) vendor_risk: bool,
}

impl<'a> Vote<'a> {
    /// As it was when the approval was given.
    pub(super) fn then(approval: &'a Approval) -> Self {
        Self {
            by: &approval.by,
            approver: approval.as_approver,
            security: approval.as_security,
            vendor_risk: approval.as_vendor_risk,
        }
    }

    /// As the registry has it now; none if the person may not approve any more.
    pub(super) fn now(by: &'a PersonId, registry: &Registry) -> Option<Self> {
        let (security, vendor_risk) = (registry.may(by, Duty::Security), registry.may(by, Duty::VendorRisk));
        let approver = may_approve(registry, by);
        (approver || vendor_risk).then_some(Self { by, approver, security, vendor_risk })
    }
}

impl Quorum<'_> {
    /// Whether these suffice. Whoever stands for vendor risk is none of the other approvers.
    #[must_use]
    pub(super) fn suffices<'v>(self, votes: impl IntoIterator<Item = Vote<'v>>) -> bool {
        let ceiling = Ceiling::of(self.kind);
        let (mut approvers, mut vendor_risk) = (BTreeSet::new(), BTreeSet::new());
        let (mut security, mut rule_owner) = (false, false);
        for vote in votes {
            if vote.vendor_risk {
                vendor_risk.insert(vote.by);
            }
            if vote.approver {
                approvers.insert(vote.by);
                security |= vote.security;
                rule_owner |= Some(vote.by) == self.rule_owner;
            }
        }
        let beside = |one: &&PersonId| approvers.iter().filter(|by| *by != one).count() >= ceiling.approvers;
        let enough =
            if ceiling.vendor_risk { vendor_risk.iter().any(beside) } else { approvers.len() >= ceiling.approvers };
        enough && (security || !ceiling.security) && (rule_owner || !ceiling.rule_owner)
    }
}

/// Whether the person may approve now; both duties count.
#[must_use]
pub(super) fn may_approve(registry: &Registry, person: &PersonId) -> bool {
    registry.may(person, Duty::Approve) || registry.may(person, Duty::Security)
}

/// Whether the person may approve one of this kind now; for third-party connectors vendor risk counts as well.
#[must_use]
pub(super) fn may_approve_kind(registry: &Registry, person: &PersonId, kind: Kind) -> bool {
    may_approve(registry, person) || Ceiling::of(kind).vendor_risk && registry.may(person, Duty::VendorRisk)
}
