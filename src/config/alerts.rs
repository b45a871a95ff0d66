//! `alerts` of postern.yaml: who is told of what, and what is unusual.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::{NaiveTime, Weekday};
use serde::Deserialize;
use serde_json::json;

use super::{
    check::{Ground, host_is_loopback, web_url},
    say::escape,
    value::{ConfiguredValue, configured},
};
use crate::{
    delivery::{KINDS, Signer, Wanted},
    domain::{Findings, PersonId, Secret},
    monitoring::{OfficeHours, Unusual},
};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AlertsForm {
    webhooks: BTreeMap<String, WebhookForm>,
    office_hours: Option<HoursForm>,
    anomalies: AnomaliesForm,
}

#[derive(Debug, Deserialize)]
struct WebhookForm {
    url: String,
    secret_file: Option<String>,
    secret_env: Option<String>,
    on: Option<Vec<String>>,
    #[serde(default)]
    owners: BTreeSet<String>,
    #[serde(default)]
    allow_private: bool,
    timeout_s: Option<u64>,
    max_attempts: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct HoursForm {
    from: String,
    to: String,
    days: Option<BTreeSet<String>>,
    utc_offset_minutes: Option<i32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AnomaliesForm {
    enabled: Option<bool>,
    rate_factor: Option<u32>,
    rate_floor: Option<u32>,
    refusals: Option<u32>,
    quiet_s: Option<u64>,
}

/// Who is told of what, and what is unusual.
#[derive(Debug, Clone)]
pub struct Alerts {
    /// Receivers, by name.
    pub webhooks: BTreeMap<String, WebhookSettings>,
    /// What is unusual; `None` where nobody wants to know.
    pub unusual: Option<Unusual>,
}

/// One receiver of alerts.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// Where it is.
    pub url: String,
    /// Signs what is sent.
    pub secret: Secret<String>,
    /// What it is told of.
    pub wanted: Wanted,
    /// Whether it may be on a private or loopback address.
    pub allow_private: bool,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How often an event is tried that it refuses.
    pub attempts: u32,
}

pub(super) fn check(form: &AlertsForm, ground: &Ground<'_>, findings: &mut Findings) -> Alerts {
    let mut webhooks = BTreeMap::new();
    for (name, form) in &form.webhooks {
        if let Some(webhook) = webhook(form, &format!("/alerts/webhooks/{}", escape(name)), (ground, &mut *findings)) {
            webhooks.insert(name.clone(), webhook);
        }
    }
    let hours = form.office_hours.as_ref().and_then(|form| hours(form, ground, findings));
    let (usual, form) = (Unusual::default(), &form.anomalies);
    let unusual = Unusual {
        hours,
        rate_factor: form.rate_factor.unwrap_or(usual.rate_factor),
        rate_floor: form.rate_floor.unwrap_or(usual.rate_floor),
        refusals: form.refusals.unwrap_or(usual.refusals),
        quiet: form.quiet_s.map_or(usual.quiet, Duration::from_secs),
    };
    Alerts { webhooks, unusual: form.enabled.unwrap_or(true).then_some(unusual) }
}

fn webhook(
    form: &WebhookForm,
    path: &str,
    (ground, findings): (&Ground<'_>, &mut Findings),
) -> Option<WebhookSettings> {
    receiver((&form.url, form.allow_private), path, ground, findings);
    let secret = secret((form.secret_file.as_ref(), form.secret_env.as_ref()), path, (ground, &mut *findings));
    let kinds = match &form.on {
        None => KINDS.into_iter().collect(),
        Some(on) => kinds(on, &format!("{path}/on"), ground, findings),
    };
    Some(WebhookSettings {
        url: form.url.clone(),
        secret: secret?,
        wanted: Wanted { kinds, owners: form.owners.iter().map(|id| PersonId::from(id.as_str())).collect() },
        allow_private: form.allow_private,
        timeout: Duration::from_secs(form.timeout_s.unwrap_or(10)),
        attempts: form.max_attempts.unwrap_or(8),
    })
}

/// Whether this URL may be sent to.
pub(super) fn receiver((to, private): (&str, bool), path: &str, ground: &Ground<'_>, findings: &mut Findings) {
    let url = format!("{path}/url");
    match web_url(to) {
        Err(message) => ground.find(findings, &url, message),
        Ok(_) if host_is_loopback(to) && !private => {
            ground.find(findings, &url, "a receiver on loopback needs `allow_private: true`");
        }
        Ok(uri) if uri.scheme_str() == Some("http") && !private => {
            ground.find(findings, &url, "it leaves over https only; plain http needs `allow_private: true`");
        }
        Ok(_) => {}
    }
}

/// The secret that signs, from a file or a variable.
pub(super) fn secret(
    (file, variable): (Option<&String>, Option<&String>),
    path: &str,
    (ground, findings): (&Ground<'_>, &mut Findings),
) -> Option<Secret<String>> {
    let (at, place) = match (file, variable) {
        (Some(file), None) => (format!("{path}/secret_file"), json!({"file": file})),
        (None, Some(variable)) => (format!("{path}/secret_env"), json!({"env": variable})),
        (Some(_), Some(_)) | (None, None) => {
            ground.find(findings, path, "give either `secret_file` or `secret_env`: what leaves is signed");
            return None;
        }
    };
    let read = configured("secret", &place, ground.base, ground.environment).and_then(|value| {
        let ConfiguredValue::Secret(secret) = value else { return Err("it is no secret".to_owned()) };
        Signer::new(&secret).map(|_| secret)
    });
    read.map_err(|message| ground.find(findings, &at, message)).ok()
}

/// Kinds by name, `all`, or all of a group as `exception.*`.
fn kinds(on: &[String], path: &str, ground: &Ground<'_>, findings: &mut Findings) -> BTreeSet<&'static str> {
    let mut chosen = BTreeSet::new();
    for (index, word) in on.iter().enumerate() {
        let group = word.strip_suffix('*');
        let fits = |kind: &&str| match group {
            Some(group) => group.ends_with('.') && kind.starts_with(group),
            None => word == "all" || *kind == word,
        };
        let before = chosen.len();
        chosen.extend(KINDS.into_iter().filter(fits));
        if chosen.len() == before && !KINDS.iter().any(fits) {
            let near = KINDS
                .into_iter()
                .max_by(|a, b| strsim::jaro_winkler(a, word).total_cmp(&strsim::jaro_winkler(b, word)));
            let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            ground.find(
                findings,
                &format!("{path}/{index}"),
                format!("`{}` is no kind of alert{hint}", word.escape_debug()),
            );
        }
    }
    chosen
}

fn hours(form: &HoursForm, ground: &Ground<'_>, findings: &mut Findings) -> Option<OfficeHours> {
    let mut time = |text: &str, name: &str| {
        let read = NaiveTime::parse_from_str(text, "%H:%M");
        let told = |_| ground.find(findings, &format!("/alerts/office_hours/{name}"), "a time is written as `08:30`");
        read.map_err(told).ok()
    };
    let (from, to) = (time(&form.from, "from"), time(&form.to, "to"));
    const WEEK: [(&str, Weekday); 7] = [
        ("mon", Weekday::Mon),
        ("tue", Weekday::Tue),
        ("wed", Weekday::Wed),
        ("thu", Weekday::Thu),
        ("fri", Weekday::Fri),
        ("sat", Weekday::Sat),
        ("sun", Weekday::Sun),
    ];
    let named = |name: &str| form.days.as_ref().map_or(name != "sat" && name != "sun", |days| days.contains(name));
    let days = WEEK.into_iter().filter(|(name, _)| named(name)).map(|(_, day)| day).collect();
    Some(OfficeHours { from: from?, to: to?, days, offset_minutes: form.utc_offset_minutes.unwrap_or(0) })
}
