//! `evidence` of postern.yaml: where the tiles of the journal stand, where checkpoints go, who witnesses them, and how
//! long what is kept.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::Deserialize;

use super::{
    alerts::{receiver, secret},
    arguments::{self, ArgumentsForm},
    check::{Ground, web_url},
    form::Form,
    say::escape,
};
use crate::{
    domain::{Findings, Secret},
    evidence::{Keep, WitnessKey},
};

/// How evidence is given to others.
#[derive(Debug, Clone)]
pub struct EvidenceSettings {
    /// The folder of the tiles.
    pub tiles: PathBuf,
    /// Where checkpoints go.
    pub checkpoints: CheckpointSettings,
    /// Who witnesses them.
    pub witnesses: Option<WitnessSettings>,
    /// Days that records of traffic are kept; none keeps all.
    pub traffic_days: Option<u32>,
    /// What is kept of arguments.
    pub arguments: Keep,
}

/// Where checkpoints go, beside the copies of `store.checkpoint_copies`.
#[derive(Debug, Clone)]
pub struct CheckpointSettings {
    /// Between two that leave, and between two that are witnessed.
    pub every: Duration,
    /// The webhook.
    pub webhook: Option<CheckpointWebhook>,
    /// The collector, as `http://host:port`.
    pub otlp: Option<String>,
}

/// The webhook that gets checkpoints.
#[derive(Debug, Clone)]
pub struct CheckpointWebhook {
    /// Where it is.
    pub url: String,
    /// Signs what is sent.
    pub secret: Secret<String>,
    /// Whether it may be on a private or loopback address.
    pub allow_private: bool,
    /// How long one attempt may take.
    pub timeout: Duration,
}

/// Who witnesses checkpoints.
#[derive(Debug, Clone)]
pub struct WitnessSettings {
    /// How many cosignatures are wanted.
    pub quorum: usize,
    /// The witnesses, by name.
    pub members: BTreeMap<String, WitnessMember>,
}

/// One witness.
#[derive(Debug, Clone)]
pub struct WitnessMember {
    /// Its submission prefix, without a slash at its end.
    pub url: String,
    /// Its key.
    pub key: WitnessKey,
    /// Whether it may be on a private or loopback address.
    pub allow_private: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct EvidenceForm {
    tiles: Option<String>,
    checkpoints: CheckpointForm,
    witnesses: Option<WitnessesForm>,
    retention: RetentionForm,
    arguments: Vec<ArgumentsForm>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RetentionForm {
    traffic_days: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CheckpointForm {
    every_s: Option<u64>,
    webhook: Option<WebhookForm>,
    otlp: Option<OtlpForm>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OtlpForm {
    /// The collector of the traces, or none.
    Same(bool),
    /// This one.
    To(String),
}

#[derive(Debug, Deserialize)]
struct WebhookForm {
    url: String,
    secret_file: Option<String>,
    secret_env: Option<String>,
    #[serde(default)]
    allow_private: bool,
    timeout_s: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct WitnessesForm {
    quorum: Option<usize>,
    members: BTreeMap<String, WitnessForm>,
}

#[derive(Debug, Deserialize)]
struct WitnessForm {
    url: String,
    key: String,
    #[serde(default)]
    allow_private: bool,
}

/// Fills in defaults and finds faults.
pub(super) fn check(form: &Form, ground: &Ground<'_>, findings: &mut Findings) -> EvidenceSettings {
    let (data, evidence) = (form.data.as_deref().unwrap_or("data"), &form.evidence);
    let tiles = evidence.tiles.as_ref().map_or_else(|| ground.path(data).join("tiles"), |folder| ground.path(folder));
    let checkpoints = &evidence.checkpoints;
    let checkpoints = CheckpointSettings {
        every: Duration::from_secs(checkpoints.every_s.unwrap_or(10)),
        webhook: checkpoints.webhook.as_ref().and_then(|form| webhook(form, (ground, &mut *findings))),
        otlp: collector(checkpoints.otlp.as_ref(), form.telemetry.otlp.as_ref(), ground, findings),
    };
    let witnesses = evidence.witnesses.as_ref().map(|form| witnesses(form, ground, findings));
    let traffic_days = evidence.retention.traffic_days;
    let arguments = arguments::check(&evidence.arguments, ground, findings);
    EvidenceSettings { tiles, checkpoints, witnesses, traffic_days, arguments }
}

fn webhook(form: &WebhookForm, (ground, findings): (&Ground<'_>, &mut Findings)) -> Option<CheckpointWebhook> {
    let path = "/evidence/checkpoints/webhook";
    receiver((&form.url, form.allow_private), path, ground, findings);
    let secret = secret((form.secret_file.as_ref(), form.secret_env.as_ref()), path, (ground, findings))?;
    let timeout = Duration::from_secs(form.timeout_s.unwrap_or(10));
    Some(CheckpointWebhook { url: form.url.clone(), secret, allow_private: form.allow_private, timeout })
}

fn collector(
    form: Option<&OtlpForm>,
    traces: Option<&String>,
    ground: &Ground<'_>,
    findings: &mut Findings,
) -> Option<String> {
    let path = "/evidence/checkpoints/otlp";
    match form {
        None | Some(OtlpForm::Same(false)) => None,
        Some(OtlpForm::Same(true)) => {
            if traces.is_none() {
                ground.find(findings, path, "there is no collector: set `telemetry.otlp`, or name one here");
            }
            traces.cloned()
        }
        Some(OtlpForm::To(url)) => {
            if let Err(message) = web_url(url) {
                ground.find(findings, path, message);
            }
            Some(url.clone())
        }
    }
}

fn witnesses(form: &WitnessesForm, ground: &Ground<'_>, findings: &mut Findings) -> WitnessSettings {
    let mut members: BTreeMap<String, WitnessMember> = BTreeMap::new();
    for (name, member) in &form.members {
        let path = format!("/evidence/witnesses/members/{}", escape(name));
        receiver((&member.url, member.allow_private), &path, ground, findings);
        let key: WitnessKey = match member.key.parse() {
            Ok(key) => key,
            Err(error) => {
                ground.find(findings, &format!("{path}/key"), format!("{error}"));
                continue;
            }
        };
        if let Some((other, _)) = members.iter().find(|(_, other)| other.key.is_same_witness(&key)) {
            let message = format!("this is the key of `{other}` too; one witness counts once");
            ground.find(findings, &format!("{path}/key"), message);
        }
        let url = member.url.trim_end_matches('/').to_owned();
        members.insert(name.clone(), WitnessMember { url, key, allow_private: member.allow_private });
    }
    let quorum = form.quorum.unwrap_or(form.members.len() / 2 + 1);
    if quorum > form.members.len() {
        let message = format!("{quorum} of {} witnesses can never be had", form.members.len());
        ground.find(findings, "/evidence/witnesses/quorum", message);
    }
    WitnessSettings { quorum, members }
}
