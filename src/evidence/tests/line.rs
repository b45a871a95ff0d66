//! A log whose key changed: any key of the line opens all of it, and nobody takes over without the word of the old key.

use proptest::prelude::*;

use crate::{
    domain::Timestamp,
    evidence::{
        Breach, Checkpoint, CheckpointError, Head, KeyLine, Prover, Record, RecordProof, Report, Row, SigningChange,
        SigningKey, Stop, SuccessionError, Tree, Verifier, VerifyingKey, What, leaf,
    },
};

const KEYS: usize = 5;
/// Records that each key signs, the last of them the one that hands over.
const EACH: u64 = 6;

fn moment() -> Timestamp {
    chrono::DateTime::from_timestamp_millis(1_790_000_000_123).unwrap()
}

pub(super) fn key(name: Option<&str>) -> SigningKey {
    let pkcs8 = SigningKey::generate().unwrap();
    name.map_or_else(|| SigningKey::read(pkcs8.expose()), |name| SigningKey::named(pkcs8.expose(), name)).unwrap()
}

fn what(seq: u64) -> What {
    What { at: moment(), seq, actor: "ada@example.org".to_owned(), reason: "a new quarter".to_owned() }
}

struct Log {
    keys: Vec<SigningKey>,
    head: Head,
    tree: Tree,
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Log {
    fn new() -> Self {
        Self { keys: vec![key(None)], head: Head::EMPTY, tree: Tree::default(), rows: Vec::new(), notes: Vec::new() }
    }

    /// A log of five keys; the loss of a key before the key with this number, if one is named.
    fn of_five(lost: Option<usize>) -> Self {
        let mut log = Self::new();
        for number in 1..KEYS {
            log.fill();
            let next = key(Some(log.keys[0].verifying().name()));
            let old = log.keys.last().unwrap();
            let what = what(log.head.seq + 1);
            let change = if lost == Some(number) {
                SigningChange::lost(what, old.verifying(), &next)
            } else {
                SigningChange::handover(what, old, &next)
            };
            log.push(&Record::Signing(change.unwrap()));
            if lost != Some(number) {
                log.sign();
            }
            log.keys.push(next);
            log.sign();
        }
        log.fill();
        log
    }

    fn push(&mut self, record: &Record) {
        let payload = record.encode().unwrap();
        self.head = self.head.next(&payload);
        self.tree.push(leaf(&payload));
        self.rows.push(Row { seq: self.head.seq, chain: self.head.chain, payload, index: None });
    }

    fn fill(&mut self) {
        for n in 1..EACH {
            self.push(&Record::Stop(Stop { at: moment() }));
            if n == 3 || n == EACH - 1 {
                self.sign();
            }
        }
    }

    /// The checkpoint of the newest key; at the place of a handover the old one has signed already.
    fn sign(&mut self) {
        let checkpoint = Checkpoint { size: self.tree.size(), root: self.tree.root() };
        if self.notes.last().is_none_or(|note| Checkpoint::read(note).unwrap() != checkpoint) {
            self.notes.push(checkpoint.sign(self.keys.last().unwrap()));
        }
    }

    fn changes(&self) -> Vec<(u64, SigningChange)> {
        self.rows.iter().filter_map(|row| Some((row.seq, KeyLine::change(&row.payload)?))).collect()
    }

    fn verify(&self, known: &[VerifyingKey]) -> Report {
        let line = KeyLine::of(known, &self.changes());
        let mut verifier = Verifier::new(&line, self.notes.iter().map(String::as_str));
        self.rows.iter().for_each(|row| verifier.row(row));
        verifier.finish()
    }

    fn public(&self, number: usize) -> VerifyingKey {
        self.keys[number].verifying().clone()
    }
}

#[test]
fn whoever_knows_one_key_of_five_verifies_the_whole_log() {
    let log = Log::of_five(None);
    for number in 0..KEYS {
        let report = log.verify(&[log.public(number)]);
        assert!(report.holds() && report.breaks.is_empty(), "key {number}: {:?}", report.breaches);
        assert_eq!((report.checkpoints, report.signed), (log.notes.len() as u64, log.head.seq), "key {number}");
    }
    let stranger = log.verify(&[key(Some(log.keys[0].verifying().name())).verifying().clone()]);
    assert_eq!((stranger.checkpoints, stranger.breaches.len()), (0, log.notes.len()));
}

#[test]
fn a_proof_of_any_time_holds_for_whoever_knows_one_key_and_the_changes() {
    let log = Log::of_five(None);
    for note in &log.notes {
        let size = Checkpoint::read(note).unwrap().size;
        let mut prover = Prover::default();
        log.rows.iter().take(usize::try_from(size).unwrap()).for_each(|row| prover.push(row.leaf(), row.seq == 2));
        let path = prover.proof(1, prover.tree()).unwrap();
        let proof = RecordProof { record: None, seq: 2, path, note: note.clone() };
        for number in 0..KEYS {
            let line = KeyLine::of(&[log.public(number)], &log.changes());
            assert!(proof.verify(&log.rows[1].payload, &line).is_ok(), "key {number}, {size} records");
        }
    }
}

#[test]
fn a_lost_key_is_a_break_that_is_named_and_crossed_only_by_who_has_the_new_key_too() {
    let log = Log::of_five(Some(2));
    let at = 2 * EACH;
    let before = log.verify(&[log.public(0)]);
    assert_eq!(before.breaks.iter().map(|found| found.seq).collect::<Vec<_>>(), [at]);
    assert!(
        matches!(&before.breaches[0], Breach::Lost { seq, new } if *seq == at && *new == log.public(2).to_string())
    );
    let both = log.verify(&[log.public(0), log.public(2)]);
    assert!(both.holds() && both.breaks.len() == 1 && both.signed == log.head.seq, "{:?}", both.breaches);
    // The keys after the break say whom they stand for, so who trusts one of them has the whole.
    let after = log.verify(&[log.public(4)]);
    assert!(after.holds() && after.breaks.len() == 1 && after.signed == log.head.seq, "{:?}", after.breaches);
}

/// A key that was put out of force, and that somebody kept, signs nothing any more.
#[test]
fn an_old_key_signs_no_checkpoint_after_it_handed_over() {
    let log = Log::of_five(None);
    let forged = Checkpoint { size: log.tree.size(), root: log.tree.root() }.sign(&log.keys[1]);
    let line = KeyLine::of(&[log.public(3)], &log.changes());
    assert_eq!(line.open(&forged), Err(CheckpointError::Signature));
    let signature = log.keys[1].sign(b"an approval");
    assert!(line.verify(b"an approval", &signature), "what it signed while it was in force goes on to hold");
}

#[test]
fn a_handover_that_the_old_key_did_not_sign_is_a_breach() {
    let log = Log::of_five(None);
    let thief = key(Some(log.keys[0].verifying().name()));
    let seq = 3 * EACH;
    let forged: Vec<(&str, SigningChange)> = vec![
        ("signed by itself", {
            let mut change = SigningChange::handover(what(seq), &log.keys[2], &thief).unwrap();
            change.signed_by_old = Some(change.signed_by_new.clone());
            change
        }),
        ("of an older key", SigningChange::handover(what(seq), &log.keys[1], &thief).unwrap()),
        ("of another place", SigningChange::handover(what(seq - 1), &log.keys[2], &thief).unwrap()),
        ("a loss made a handover", {
            let mut change = SigningChange::lost(what(seq), log.keys[2].verifying(), &thief).unwrap();
            change.signed_by_old = Some(String::new());
            change
        }),
        ("a handover made a loss", {
            let mut change = SigningChange::handover(what(seq), &log.keys[2], &thief).unwrap();
            change.signed_by_old = None;
            change
        }),
        ("of another log", SigningChange::handover(what(seq), &log.keys[2], &key(None)).unwrap()),
    ];
    for (how, change) in forged {
        let mut changes = log.changes();
        changes.truncate(2);
        changes.push((seq, change));
        let line = KeyLine::of(&[log.public(0)], &changes);
        assert_eq!(line.faults().len(), 1, "{how}: {:?}", line.keys());
        let report = Report::of_keys(&line);
        assert!(matches!(report.breaches[..], [Breach::Signing { seq: found, .. }] if found == seq), "{how}");
        let note = Checkpoint { size: seq + 3, root: [1; 32] }.sign(&thief);
        assert!(line.open(&note).is_err(), "{how}");
    }
}

/// What the text in a bundle tells a stranger to do.
#[test]
fn what_both_keys_sign_is_the_record_without_its_signatures() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    for (lost, seq) in [(None, EACH), (Some(1), EACH)] {
        let log = Log::of_five(lost);
        let payload = &log.rows[usize::try_from(seq).unwrap() - 1].payload;
        let mut told: serde_json::Value = serde_json::from_slice(payload).unwrap();
        let members = told.as_object_mut().unwrap();
        members.remove("kind");
        let signatures = ["signed_by_old", "signed_by_new"].map(|name| members.remove(name));
        members.insert("purpose".to_owned(), "postern/signing-key/v1".into());
        members.insert("lost".to_owned(), lost.is_some().into());
        let message = serde_json_canonicalizer::to_vec(&told).unwrap();
        for (number, signature) in signatures.iter().enumerate() {
            let Some(signature) = signature else { continue };
            let signature = STANDARD.decode(signature.as_str().unwrap()).unwrap();
            assert!(log.keys[number].verifying().verify(&message, &signature), "{lost:?} {number}");
        }
        assert_eq!(signatures[0].is_none(), lost.is_some());
    }
}

/// A copy from which bundles were taken away, and a file with the changes.
#[test]
fn what_a_copy_does_not_carry_a_file_of_changes_says() {
    let log = Log::of_five(None);
    let (all, newest) = (log.changes(), log.notes.last().unwrap());
    let partly = |known: usize| KeyLine::of(&[log.public(known)], &[]).with(&all[2..]);
    assert_eq!(partly(0).open(newest), Err(CheckpointError::Stranger));
    assert!(partly(2).open(newest).is_ok() && partly(4).open(newest).is_ok());
    let whole = KeyLine::of(&[log.public(0)], &all[..3]).with(&all[2..]);
    assert!(whole.open(newest).is_ok() && whole.changes().len() == KEYS - 1);
    let mut other = all[2].clone();
    other.1.reason.push('!');
    assert!(!KeyLine::of(&[log.public(0)], &all).with(&[other]).faults().is_empty());
}

#[test]
fn a_change_of_keys_that_is_not_indexed_as_one_is_a_breach() {
    let log = Log::of_five(None);
    let mut hidden = log.changes();
    hidden.pop();
    let line = KeyLine::of(&[log.public(0)], &hidden);
    let mut verifier = Verifier::new(&line, []);
    log.rows.iter().for_each(|row| verifier.row(row));
    let why = SuccessionError::Unknown.to_string();
    assert_eq!(verifier.finish().breaches, [Breach::Signing { seq: 4 * EACH, why }]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Any bit of any change of keys, as it stands in a file of its own: nothing that follows it opens.
    #[test]
    fn any_changed_bit_of_a_change_of_keys_is_found(number in 0_usize..4, byte in any::<prop::sample::Index>(), bit in 0_u8..7) {
        let log = Log::of_five(None);
        let mut changes = log.changes();
        let (seq, change) = changes[number].clone();
        let mut text = serde_json::to_vec(&change).unwrap();
        let byte = byte.index(text.len());
        text[byte] ^= 1 << bit;
        if let Ok(changed) = serde_json::from_slice::<SigningChange>(&text) && changed != change {
            changes[number] = (seq, changed);
            let line = KeyLine::of(&[log.public(0)], &changes);
            prop_assert!(!line.faults().is_empty() || line.breaks().any(|(_, vouched)| !vouched));
            prop_assert!(line.open(log.notes.last().unwrap()).is_err());
        }
    }
}
