//! controls.yaml among the policies: read against their registry, and asked when a record names a duty.

use super::house::House;
use crate::{
    api::{ApiError, ControlEvent, ControlView},
    domain::{Document, ExceptionId, Findings, Obligation, Registry},
    evidence::{Alarm, AlarmKind},
    exception::{Need, Spec},
    monitoring::{ControlHealth, Declared, probe_of},
    policy::{SourceFile, Sources},
};

/// The file's name.
const FILE: &str = "controls.yaml";
/// Alarms that a history of controls looks at.
const ALARMS: usize = 2_000;

/// What controls.yaml of these sources declares; without one, what the gateway keeps by itself.
///
/// # Errors
/// Everything that is wrong with it, each with its line.
pub(super) fn declared(sources: &Sources, registry: &Registry) -> Result<Declared, Findings> {
    let is_it = |file: &&SourceFile| file.path.rsplit('/').next() == Some(FILE);
    let mut files = sources.files.iter().filter(is_it);
    let Some(file) = files.next() else {
        return Declared::own().map_err(|why| Findings::one(FILE, 0, "", why));
    };
    if let Some(other) = files.next() {
        return Err(Findings::one(&other.path, 0, "", format!("{} declares controls already; keep one", file.path)));
    }
    Declared::read(&file.path, &file.text, registry)
}

impl House {
    /// Every control that something is attached for, and every one that controls.yaml declares.
    pub(super) fn controls_now(&self) -> Vec<ControlView> {
        let (declared, needs) = (self.controls.declared(), self.desk.needs());
        let view = |health: ControlHealth| {
            let control = declared.control_of(health.id);
            let need = |need: &&Need| need.duties.iter().any(|duty| duty.id() == health.id);
            ControlView {
                id: health.id.to_owned(),
                healthy: health.healthy,
                since: health.since,
                detail: self.controls.why(health.id),
                probe: Some(probe_of(health.id).to_owned()),
                control: control.map(|(id, _)| id.to_owned()),
                kept_by: control.map(|(_, control)| control.owner.clone()),
                declared: declared.declares(health.id),
                needed_by: needs.iter().filter(need).map(|need| need.exception.clone()).collect(),
            }
        };
        self.controls.health(self.clock.now()).into_iter().map(view).collect()
    }

    /// When controls were lost and came back, the newest first; of one control or exception, if one is named.
    pub(super) async fn controls_before(&self, of: Option<&str>) -> Result<Vec<ControlEvent>, ApiError> {
        let alarms = self.store.alarms(ALARMS).await.map_err(|error| ApiError::unavailable(error.to_string()))?;
        let event = |alarm: Alarm| {
            let healthy = alarm.about == AlarmKind::ControlRestored;
            if !healthy && alarm.about != AlarmKind::ControlUnhealthy {
                return None;
            }
            let named = |id: &&&str| alarm.detail.contains(&format!("`{id}`"));
            let control = Obligation::IDS.iter().find(named).map(|id| (*id).to_owned());
            Some(ControlEvent { at: alarm.at, control, exception: alarm.exception, healthy, detail: alarm.detail })
        };
        let wanted = |event: &ControlEvent| {
            let exception = event.exception.as_ref().map(ExceptionId::as_str);
            of.is_none_or(|of| event.control.as_deref() == Some(of) || exception == Some(of))
        };
        Ok(alarms.into_iter().filter_map(event).filter(wanted).collect())
    }

    /// A record may only name duties that a declared control meets, and that this gateway can meet.
    pub(super) fn meetable(&self, record: &Document, spec: &Spec) -> Findings {
        let mut findings = Findings::default();
        for (at, control) in spec.controls.iter().enumerate() {
            if let Err(why) = self.controls.meets(&control.duty) {
                record.find(&mut findings, &format!("/controls/{at}"), why);
            }
        }
        findings
    }
}
