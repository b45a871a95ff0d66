//! Whether a journal is what was written: chain, checkpoints, index, and what has no outcome.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
};

use serde::Serialize;

use super::{Checkpoint, Head, KeyLine, Record, Retention, Row, Runs, SuccessionError, TRAFFIC, Tree, chain};
use crate::domain::DecisionId;

const BREACHES: usize = 100;

/// One thing that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "breach", rename_all = "snake_case")]
pub enum Breach {
    /// The record's payload or chain value was changed.
    Changed {
        /// The record.
        seq: u64,
    },
    /// Records are missing.
    Missing {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// A record does not stand in its order.
    Order {
        /// The record.
        seq: u64,
    },
    /// What is indexed of the record is not what it says.
    Index {
        /// The record.
        seq: u64,
    },
    /// The record cannot be read.
    Unreadable {
        /// The record.
        seq: u64,
    },
    /// The end is missing: a checkpoint signed more records than there are.
    Truncated {
        /// Records that are there.
        have: u64,
        /// Records that were signed.
        signed: u64,
    },
    /// The records are chained, but are not those that the checkpoint signed.
    Rewritten {
        /// The last record up to which an earlier checkpoint holds.
        after: u64,
        /// The size that the checkpoint signed.
        size: u64,
    },
    /// A stored checkpoint has no valid signature.
    Checkpoint {
        /// Its place among the checkpoints, from 0.
        index: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A change of the signing key does not hold.
    Signing {
        /// The record.
        seq: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The signing key was lost, and no key that the reader knows vouches for the one after it.
    Lost {
        /// The record that says so.
        seq: u64,
        /// The key that signs after it.
        new: String,
    },
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { seq } => write!(f, "record {seq} was changed"),
            Self::Missing { from, to } if from == to => write!(f, "record {from} is missing"),
            Self::Missing { from, to } => write!(f, "records {from} to {to} are missing"),
            Self::Order { seq } => write!(f, "record {seq} is out of order"),
            Self::Index { seq } => write!(f, "the index of record {seq} was changed"),
            Self::Unreadable { seq } => write!(f, "record {seq} cannot be read"),
            Self::Truncated { have, signed } => {
                write!(f, "the end is missing: {signed} records were signed and {have} are there")
            }
            Self::Rewritten { after, size } => {
                write!(f, "records {} to {size} are not those that were signed", after + 1)
            }
            Self::Checkpoint { index, why } => write!(f, "checkpoint {index}: {why}"),
            Self::Signing { seq, why } => write!(f, "record {seq}: {why}"),
            Self::Lost { seq, new } => {
                write!(f, "the signing key was lost at record {seq}, and you do not know the one after it; if you ")?;
                write!(f, "have it on a way that you trust, give it too: --key {new}")
            }
        }
    }
}

/// A place where the signing key was lost: only the key after it says that it stands for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Break {
    /// The record that says so.
    pub seq: u64,
    /// Why.
    pub reason: String,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Records that were read.
    pub records: u64,
    /// Checkpoints whose signature and root hold.
    pub checkpoints: u64,
    /// Records up to which a signature holds.
    pub signed: u64,
    /// Records of which only the hash is left, because a record of the signed journal says that their time was over.
    #[serde(default)]
    pub pruned: u64,
    /// Where the signing key was lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breaks: Vec<Break>,
    /// What is wrong, at most 100, in the order of the journal.
    pub breaches: Vec<Breach>,
    /// Intents without an outcome: calls in flight, or of a gateway that ended before it knew.
    pub open: Vec<DecisionId>,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.breaches.is_empty()
    }

    /// What is to be said of the line of keys.
    #[must_use]
    pub fn of_keys(line: &KeyLine) -> Self {
        let mut report = Self::default();
        for (seq, why) in line.faults() {
            push(&mut report, Breach::Signing { seq: *seq, why: why.to_string() });
        }
        for (change, vouched) in line.breaks() {
            report.breaks.push(Break { seq: change.seq, reason: change.reason.clone() });
            if !vouched {
                push(&mut report, Breach::Lost { seq: change.seq, new: change.new.to_string() });
            }
        }
        report
    }

    /// Holds the report against the number of records that the store itself remembers.
    pub fn hold_head(&mut self, remembered: u64) {
        if remembered > self.records && self.holds() {
            push(self, Breach::Missing { from: self.records + 1, to: remembered });
        }
    }
}

/// Reads a journal from its beginning, row by row.
#[derive(Debug)]
pub struct Verifier {
    head: Head,
    tree: Tree,
    /// False once a record is missing or changed: roots cannot be compared any more.
    whole: bool,
    checkpoints: VecDeque<Checkpoint>,
    open: BTreeMap<DecisionId, u64>,
    line: KeyLine,
    /// Records of which only the hash is left.
    gone: Runs,
    /// What says so: where it stands, and which records it names.
    said: Vec<(u64, Vec<[u64; 2]>)>,
    report: Report,
}

impl Verifier {
    /// A verifier that holds the journal against these signed notes.
    #[must_use]
    pub fn new<'a>(line: &KeyLine, notes: impl IntoIterator<Item = &'a str>) -> Self {
        let mut report = Report::of_keys(line);
        let mut checkpoints = Vec::new();
        for (index, note) in notes.into_iter().enumerate() {
            match line.open(note) {
                Ok(checkpoint) => checkpoints.push(checkpoint),
                Err(error) => push(&mut report, Breach::Checkpoint { index, why: error.to_string() }),
            }
        }
        checkpoints.sort_by_key(|checkpoint| checkpoint.size);
        let (head, tree, open) = (Head::EMPTY, Tree::default(), BTreeMap::new());
        let (checkpoints, line) = (checkpoints.into(), line.clone());
        let (gone, said) = (Runs::default(), Vec::new());
        let mut verifier = Self { head, tree, whole: true, checkpoints, open, line, gone, said, report };
        verifier.compare();
        verifier
    }

    /// Reads the next row.
    pub fn row(&mut self, row: &Row) {
        self.report.records += 1;
        let pruned = row.pruned();
        if row.seq <= self.head.seq {
            self.breach(Breach::Order { seq: row.seq });
            return;
        }
        if row.seq > self.head.seq + 1 {
            self.breach(Breach::Missing { from: self.head.seq + 1, to: row.seq - 1 });
        } else if pruned.is_none() && chain(&self.head.chain, row.seq, &row.payload) != row.chain {
            self.breach(Breach::Changed { seq: row.seq });
        }
        self.head = Head { seq: row.seq, chain: row.chain };
        match &pruned {
            // Its hash still stands in the tree; whether it may be gone, a later record says.
            Some(pruned) => {
                let indexed = row.index.as_ref().is_none_or(|index| index.kind == pruned.kind);
                if TRAFFIC.contains(&pruned.kind.as_str()) && indexed {
                    self.report.pruned += 1;
                    self.gone.push(row.seq);
                } else {
                    push(&mut self.report, Breach::Missing { from: row.seq, to: row.seq });
                }
            }
            None => self.content(row),
        }
        if self.whole {
            self.tree.push(row.leaf());
            self.compare();
        }
    }

    /// What was found.
    #[must_use]
    pub fn finish(mut self) -> Report {
        if let Some(last) = self.checkpoints.back()
            && last.size > self.head.seq
        {
            let breach = Breach::Truncated { have: self.head.seq, signed: last.size };
            push(&mut self.report, breach);
        }
        self.removed();
        let mut open: Vec<_> = self.open.into_iter().map(|(decision, seq)| (seq, decision)).collect();
        open.sort();
        self.report.open = open.into_iter().map(|(_, decision)| decision).collect();
        self.report
    }

    /// A record may be gone only if a later record says so that a checkpoint of this journal signs.
    fn removed(&mut self) {
        let signed = self.said.iter().filter(|(seq, _)| *seq <= self.report.signed);
        let covered = Runs::of(signed.flat_map(|(_, rows)| rows.iter().copied()));
        for [from, to] in self.gone.without(&covered).as_slice() {
            self.report.pruned = self.report.pruned.saturating_sub(to - from + 1);
            push(&mut self.report, Breach::Missing { from: *from, to: *to });
        }
    }

    /// A record that says which others were removed.
    fn retention(&mut self, retention: Retention, seq: u64) {
        if retention.is_sound(seq) {
            self.said.push((seq, retention.rows));
        }
    }

    fn content(&mut self, row: &Row) {
        let Ok(record) = serde_json::from_slice::<Record>(&row.payload) else {
            // A payload that was changed is reported once.
            if self.whole {
                push(&mut self.report, Breach::Unreadable { seq: row.seq });
            }
            return;
        };
        if let Some(index) = &row.index
            && !index.fits(&record.summary())
        {
            push(&mut self.report, Breach::Index { seq: row.seq });
        }
        if let Record::Signing(change) = &record
            && !self.line.tells(row.seq, change)
        {
            let why = SuccessionError::Unknown.to_string();
            push(&mut self.report, Breach::Signing { seq: row.seq, why });
        }
        if let Record::Retention(retention) = record {
            return self.retention(retention, row.seq);
        }
        follow(&mut self.open, record, row.seq);
    }

    fn compare(&mut self) {
        while let Some(next) = self.checkpoints.front()
            && next.size == self.tree.size()
        {
            if next.root == self.tree.root() {
                self.report.checkpoints += 1;
                self.report.signed = next.size;
            } else {
                let breach = Breach::Rewritten { after: self.report.signed, size: next.size };
                self.breach(breach);
            }
            self.checkpoints.pop_front();
            if !self.whole {
                return;
            }
        }
    }

    fn breach(&mut self, breach: Breach) {
        self.whole = false;
        push(&mut self.report, breach);
    }
}

fn push(report: &mut Report, breach: Breach) {
    if report.breaches.len() < BREACHES {
        report.breaches.push(breach);
    }
}

/// Keeps the intents that have no outcome yet.
fn follow(open: &mut BTreeMap<DecisionId, u64>, record: Record, seq: u64) {
    match record {
        Record::Intent(intent) => {
            open.insert(intent.decision, seq);
        }
        Record::Outcome(outcome) => {
            open.remove(&outcome.decision);
        }
        Record::Aborted(aborted) => {
            open.remove(&aborted.decision);
        }
        Record::Recovered(recovered) => {
            for decision in recovered.unknown {
                open.remove(&decision);
            }
        }
        Record::Denial(_)
        | Record::Inquiry(_)
        | Record::Subscription(_)
        | Record::Listing(_)
        | Record::Lifecycle(_)
        | Record::Pilot(_)
        | Record::Catalog(_)
        | Record::Policy(_)
        | Record::Key(_)
        | Record::Signing(_)
        | Record::Hold(_)
        | Record::Freeze(_)
        | Record::Watch(_)
        | Record::Read(_)
        | Record::Start(_)
        | Record::Stop(_)
        | Record::Alarm(_)
        | Record::Delivery(_)
        | Record::Retention(_)
        | Record::Shred(_) => {}
    }
}
