//! Records of deliveries that did not go as they should: what leaves in order leaves no record of its own.

use serde::{Deserialize, Serialize};

use crate::domain::{ExceptionId, Timestamp};

/// What happened to an event that was to be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryEvent {
    /// The destination refused it so often that it was laid aside: a dead letter.
    Dead,
    /// A person asks that it be sent again.
    Retried,
    /// A dead letter was delivered.
    Delivered,
}

/// An event was laid aside, is sent again, or arrived after all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub event: DeliveryEvent,
    /// The destination, as postern.yaml names it.
    pub destination: String,
    /// The sequence number of the record that the event tells of.
    pub record: u64,
    /// The event's id, by which the receiver knows it again.
    pub id: String,
    /// What the event is, such as `exception.used`.
    pub alert: String,
    /// The exception, if one is concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<ExceptionId>,
    /// How often it was tried.
    pub attempts: u32,
    /// Who did it: a person, or the gateway.
    pub actor: String,
    /// What the destination said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}
