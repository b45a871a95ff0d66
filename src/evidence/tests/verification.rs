//! Any change to a journal is found, and named.

use proptest::prelude::*;

use crate::{
    domain::DecisionId,
    evidence::{
        Breach, Checkpoint, Head, How, KeyLine, Line, Outcome, Record, Report, Row, SigningKey, Stop, Tree, Verifier,
        leaf,
    },
};

struct Fixture {
    key: SigningKey,
    rows: Vec<Row>,
    notes: Vec<String>,
}

/// Twelve records, signed after the fifth and the tenth.
fn fixture() -> Fixture {
    let key = SigningKey::read(SigningKey::generate().unwrap().expose()).unwrap();
    let (mut head, mut tree, mut rows, mut notes) = (Head::EMPTY, Tree::default(), Vec::new(), Vec::new());
    for n in 1..=12_u32 {
        let at = chrono::DateTime::from_timestamp(i64::from(n), 0).unwrap();
        let payload = Record::Outcome(Outcome {
            decision: DecisionId::from_bits(n.into()),
            at,
            how: How::Answered,
            effect_possible: true,
            result: None,
            result_bytes: n.into(),
            duration_us: 1,
            detail: None,
            sealed: None,
            redacted: [].into(),
            marked: Vec::new(),
        })
        .encode()
        .unwrap();
        head = head.next(&payload);
        tree.push(leaf(&payload));
        rows.push(Row { seq: head.seq, chain: head.chain, payload, index: None });
        if n == 5 || n == 10 {
            notes.push(Checkpoint { size: tree.size(), root: tree.root() }.sign(&key));
        }
    }
    Fixture { key, rows, notes }
}

fn verify(fixture: &Fixture) -> Report {
    let mut verifier =
        Verifier::new(&KeyLine::single(fixture.key.verifying()), fixture.notes.iter().map(String::as_str));
    fixture.rows.iter().for_each(|row| verifier.row(row));
    verifier.finish()
}

fn relink(rows: &mut [Row]) {
    let mut head = Head::EMPTY;
    for row in rows {
        head = head.next(&row.payload);
        row.chain = head.chain;
    }
}

#[test]
fn an_untouched_journal_holds() {
    let report = verify(&fixture());
    assert_eq!((report.records, report.checkpoints, report.signed), (12, 2, 10));
    assert!(report.holds());
}

/// T104
#[test]
fn an_edited_record_is_named() {
    let mut fixture = fixture();
    fixture.rows[6].payload = Record::Stop(Stop { at: chrono::DateTime::UNIX_EPOCH }).encode().unwrap();
    assert_eq!(verify(&fixture).breaches, [Breach::Changed { seq: 7 }]);
}

/// T104
#[test]
fn deleted_and_reordered_records_are_named() {
    let mut deleted = fixture();
    deleted.rows.remove(3);
    assert_eq!(verify(&deleted).breaches, [Breach::Missing { from: 4, to: 4 }]);
    let mut swapped = fixture();
    swapped.rows.swap(3, 4);
    assert_eq!(verify(&swapped).breaches, [Breach::Missing { from: 4, to: 4 }, Breach::Order { seq: 4 }]);
}

/// T104
#[test]
fn a_missing_tail_is_named() {
    let mut fixture = fixture();
    fixture.rows.truncate(8);
    assert_eq!(verify(&fixture).breaches, [Breach::Truncated { have: 8, signed: 10 }]);
}

/// T104
#[test]
fn a_rewritten_and_relinked_journal_breaks_the_next_checkpoint() {
    let mut fixture = fixture();
    fixture.rows[6].payload = fixture.rows[0].payload.clone();
    relink(&mut fixture.rows);
    assert_eq!(verify(&fixture).breaches, [Breach::Rewritten { after: 5, size: 10 }]);
}

#[test]
fn an_export_reads_back_byte_for_byte() {
    let mut fixture = fixture();
    for row in &mut fixture.rows {
        let Line::Row(read) = Line::read(&Line::Row(row.clone()).write().unwrap()).unwrap() else { panic!() };
        assert_eq!(&read, row);
    }
    assert!(Line::read("{}").is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// T104, I19: any byte of any record.
    #[test]
    fn any_changed_byte_is_found(row in 0_usize..12, byte in 0_usize..40, bit in 0_u8..8) {
        let mut fixture = fixture();
        fixture.rows[row].payload[byte] ^= 1 << bit;
        let report = verify(&fixture);
        prop_assert_eq!(&report.breaches[0], &Breach::Changed { seq: row as u64 + 1 });
    }
}
