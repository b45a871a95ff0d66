//! All witnesses of a log: asked at once, and a quorum of them.

use std::sync::Arc;

use tokio::{sync::Mutex, task::JoinSet};

use super::{
    departure::Parcel,
    standing::Standing,
    witness::{Accusation, Growth, Refusal, Witness},
};
use crate::{
    domain::Clock,
    evidence::{Alarm, AlarmKind, Journal, Record},
};

/// The witnesses of this log.
#[derive(Debug)]
pub struct Witnesses {
    members: Vec<Arc<Witness>>,
    quorum: usize,
    standing: Arc<Standing>,
    /// What each is accused of at present, so that it is told once.
    told: Mutex<Vec<Option<Accusation>>>,
}

/// A checkpoint with the cosignatures that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    /// The note.
    pub note: String,
    /// How many cosignatures it bears.
    pub found: usize,
    /// Whether they are as many as are wanted.
    pub quorum: bool,
    /// Whether every witness cosigned.
    pub whole: bool,
}

impl Witnesses {
    /// These witnesses, of whom so many must cosign; how far the quorum is stands in `standing`.
    #[must_use]
    pub fn new(members: Vec<Arc<Witness>>, quorum: usize, standing: Arc<Standing>) -> Self {
        let told = Mutex::new(vec![None; members.len()]);
        Self { members, quorum, standing, told }
    }

    /// How far each has got, and the quorum.
    pub fn standings(&self) -> impl Iterator<Item = &Arc<Standing>> {
        self.members.iter().map(|member| member.standing()).chain([&self.standing])
    }

    /// Asks all of them at once. Who refuses what it should not refuse is told by an alarm, once.
    pub async fn cosign(
        &self,
        parcel: &Parcel,
        growth: &Arc<dyn Growth>,
        clock: &Arc<dyn Clock>,
        journal: &Arc<dyn Journal>,
    ) -> Cosigned {
        self.standing.wants(parcel.signed.size);
        let mut asked = JoinSet::new();
        for (at, member) in self.members.iter().enumerate() {
            let (member, parcel, growth) = (Arc::clone(member), parcel.clone(), Arc::clone(growth));
            let now = clock.now();
            asked.spawn(async move { (at, member.cosign(&parcel, &*growth, now).await) });
        }
        let mut note = parcel.note.to_string();
        let mut found = 0;
        while let Some(done) = asked.join_next().await {
            let Ok((at, answer)) = done else { continue };
            match &answer {
                Ok(cosignature) => {
                    if let Ok(with) = cosignature.attach(&note) {
                        (note, found) = (with, found + 1);
                    }
                    self.accuse(at, None, clock, journal).await;
                }
                Err(Refusal::Against(what, why)) => self.accuse(at, Some((*what, why)), clock, journal).await,
                Err(Refusal::Later(_)) => {}
            }
        }
        let quorum = found >= self.quorum;
        if quorum {
            self.standing.took(parcel.signed.size);
        }
        Cosigned { note, found, quorum, whole: found == self.members.len() }
    }

    async fn accuse(
        &self,
        at: usize,
        what: Option<(Accusation, &String)>,
        clock: &Arc<dyn Clock>,
        journal: &Arc<dyn Journal>,
    ) {
        let mut told = self.told.lock().await;
        let (Some(told), Some(member)) = (told.get_mut(at), self.members.get(at)) else { return };
        let before = std::mem::replace(told, what.map(|(accusation, _)| accusation));
        let Some((_, why)) = what.filter(|(accusation, _)| before != Some(*accusation)) else { return };
        let detail = format!("`{}`: {why}", member.standing().name());
        tracing::error!(detail, "a witness speaks against this log");
        let alarm =
            Alarm { at: clock.now(), about: AlarmKind::WitnessRefused, exception: None, decision: None, detail };
        if let Err(error) = journal.append(Record::Alarm(alarm)).await {
            tracing::error!(%error, "the alarm is not durable");
        }
    }
}
