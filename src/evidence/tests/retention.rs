//! A payload may be missing only where a signed record of the same journal says so.

use proptest::prelude::*;

use crate::{
    domain::DecisionId,
    evidence::{
        Breach, Checkpoint, Head, How, KeyLine, Line, Outcome, Pruned, Record, Report, Retention, Row, SigningKey,
        Stop, Tree, Verifier, leaf,
    },
};

fn at(n: u64) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp(i64::try_from(n).unwrap(), 0).unwrap()
}

fn outcome(n: u64) -> Record {
    Record::Outcome(Outcome {
        decision: DecisionId::from_bits(n.into()),
        at: at(n),
        how: How::Answered,
        effect_possible: true,
        result: None,
        result_bytes: n,
        duration_us: 1,
        detail: None,
        sealed: None,
        redacted: [].into(),
        marked: Vec::new(),
    })
}

struct Journal {
    key: SigningKey,
    head: Head,
    tree: Tree,
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Journal {
    /// Ten outcomes, signed after the eighth.
    fn new() -> Self {
        let key = SigningKey::read(SigningKey::generate().unwrap().expose()).unwrap();
        let mut journal = Self { key, head: Head::EMPTY, tree: Tree::default(), rows: Vec::new(), notes: Vec::new() };
        for n in 1..=10 {
            journal.add(&outcome(n));
            if n == 8 {
                journal.sign();
            }
        }
        journal
    }

    fn add(&mut self, record: &Record) {
        let payload = record.encode().unwrap();
        self.head = self.head.next(&payload);
        self.tree.push(leaf(&payload));
        self.rows.push(Row { seq: self.head.seq, chain: self.head.chain, payload, index: None });
    }

    fn sign(&mut self) {
        self.notes.push(Checkpoint { size: self.tree.size(), root: self.tree.root() }.sign(&self.key));
    }

    fn said(&self, rows: &[[u64; 2]]) -> Retention {
        Retention {
            at: at(99),
            actor: "postern".to_owned(),
            from: 1,
            through: 8,
            count: rows.iter().map(|[first, last]| last - first + 1).sum(),
            rows: rows.to_vec(),
            days: 1,
            checkpoint: self.notes[0].clone(),
        }
    }

    fn prune(&mut self, seq: u64, kind: &str) {
        let row = &mut self.rows[usize::try_from(seq - 1).unwrap()];
        row.payload = Pruned::of(&row.payload, kind, at(seq), 11).unwrap();
    }

    fn verify(&self) -> Report {
        let mut verifier = Verifier::new(&KeyLine::single(self.key.verifying()), self.notes.iter().map(String::as_str));
        for row in &self.rows {
            let Ok(Line::Row(row)) = Line::read(&Line::Row(row.clone()).write().unwrap()) else { panic!("a row") };
            verifier.row(&row);
        }
        verifier.finish()
    }
}

proptest! {
    #[test]
    fn exactly_what_a_signed_record_names_may_be_missing(
        said in proptest::collection::btree_set(1_u64..=8, 1..8), gone in proptest::collection::btree_set(1_u64..=10, 0..10),
    ) {
        let mut journal = Journal::new();
        let runs: Vec<_> = said.iter().map(|seq| [*seq, *seq]).collect();
        let retention = Record::Retention(journal.said(&runs));
        journal.add(&retention);
        journal.sign();
        gone.iter().for_each(|seq| journal.prune(*seq, "outcome"));
        let report = journal.verify();
        let missing: Vec<u64> = report.breaches.iter().flat_map(|breach| match breach {
            Breach::Missing { from, to } => *from..=*to,
            other => panic!("{other}"),
        }).collect();
        prop_assert_eq!(missing, gone.difference(&said).copied().collect::<Vec<_>>());
        prop_assert_eq!(report.pruned, u64::try_from(gone.intersection(&said).count()).unwrap());
        prop_assert_eq!((report.signed, report.checkpoints), (11, 2));
    }
}

/// T104
#[test]
fn a_word_that_is_not_signed_covers_nothing() {
    let mut journal = Journal::new();
    let retention = Record::Retention(journal.said(&[[2, 5]]));
    journal.add(&retention);
    (2..=5).for_each(|seq| journal.prune(seq, "outcome"));
    assert_eq!(journal.verify().breaches, [Breach::Missing { from: 2, to: 5 }]);
    journal.add(&Record::Stop(Stop { at: at(100) }));
    journal.sign();
    assert!(journal.verify().holds());
}

/// T104
#[test]
fn a_word_that_does_not_add_up_covers_nothing() {
    let spoil: [fn(&mut Retention); 6] = [
        |said| said.count += 1,
        |said| said.through = 3,
        |said| said.from = 3,
        |said| said.checkpoint = "none".to_owned(),
        |said| said.through = 9,
        |said| said.rows = vec![[4, 5], [2, 3]],
    ];
    for spoil in spoil {
        let mut journal = Journal::new();
        let mut said = journal.said(&[[2, 5]]);
        spoil(&mut said);
        journal.add(&Record::Retention(said.clone()));
        journal.sign();
        (2..=5).for_each(|seq| journal.prune(seq, "outcome"));
        assert_eq!(journal.verify().breaches, [Breach::Missing { from: 2, to: 5 }], "{said:?}");
    }
}

/// T104
#[test]
fn governance_is_never_traffic_and_another_hash_is_another_journal() {
    let mut journal = Journal::new();
    let retention = Record::Retention(journal.said(&[[2, 5]]));
    journal.add(&retention);
    journal.sign();
    (2..=4).for_each(|seq| journal.prune(seq, "outcome"));
    journal.prune(5, "lifecycle");
    assert_eq!(journal.verify().breaches, [Breach::Missing { from: 5, to: 5 }]);
    let mut journal = Journal::new();
    let retention = Record::Retention(journal.said(&[[2, 5]]));
    journal.add(&retention);
    journal.sign();
    journal.rows[2].payload = Pruned::of(b"another", "outcome", at(3), 11).unwrap();
    assert!(journal.verify().breaches.contains(&Breach::Rewritten { after: 0, size: 8 }));
}
