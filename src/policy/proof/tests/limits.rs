//! A solver that is not there, hangs, or lies about what it is proves nothing, in time.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    time::{Duration, Instant},
};

use super::support::{hard, house, run, solver};
use crate::policy::{
    proof::{Answer, Prover, compare, grant_proofs, policy_proofs, prove_grant},
    tests::house::grant,
};

/// A program in a folder of its own.
fn script(body: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cvc5");
    fs::write(
        &path,
        format!("#!/bin/sh\n[ \"$1\" = --version ] && echo 'This is cvc5, so it says' && exit 0\n{body}\n"),
    )
    .unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    (folder, path)
}

fn guarded() -> crate::policy::PolicySet {
    house(&[("guardrails/hard/x.cedar", &hard("principal", "when { context.input.max_rows > 499 }"))])
}

fn reasons(prover: &Prover) -> Vec<String> {
    let proofs = grant_proofs(prover, &guarded(), &grant());
    let reason = |answer| match answer {
        Answer::NotProven { why } => why,
        other => panic!("{other}"),
    };
    proofs.into_iter().map(|proof| reason(proof.answer)).collect()
}

#[test]
fn without_a_solver_nothing_is_proven() {
    let prover = Prover::absent("none here");
    let set = guarded();
    assert!(reasons(&prover).iter().all(|why| why.contains("no solver was found (none here)")));
    assert!(policy_proofs(&prover, &set).iter().all(|proof| matches!(proof.answer, Answer::NotProven { .. })));
    let found = compare(&prover, &house(&[]), &set);
    assert!(found.changes.is_empty() && found.not_proven.len() == found.asked && found.asked > 0);
}

#[test]
fn a_program_that_is_not_the_solver_is_refused() {
    let (_folder, path) = script("exit 0");
    assert!(run(Prover::at(path)).solver().is_ok());
    for path in ["/bin/true", "/bin/cat", "/nonexistent/cvc5"] {
        let prover = run(Prover::at(path.into()));
        assert!(prover.solver().is_err(), "{path}");
    }
}

#[test]
fn a_solver_that_hangs_proves_nothing_and_ends_in_time() {
    let (_folder, path) = script("exec sleep 60");
    let prover = run(Prover::at(path)).within(Duration::from_millis(200), Duration::from_millis(700));
    let since = Instant::now();
    let reasons = reasons(&prover);
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    assert!(reasons.iter().any(|why| why.contains("did not answer within 200ms")), "{reasons:?}");
}

#[test]
fn a_solver_that_does_not_know_or_breaks_proves_nothing() {
    for body in [
        "while read -r line; do [ \"$line\" = '(check-sat)' ] && echo unknown; done",
        "exit 3",
        "echo nonsense; cat >/dev/null",
        "while read -r line; do [ \"$line\" = '(check-sat)' ] && echo sat; [ \"$line\" = '(get-model)' ] && echo '(error \"no\")'; done",
    ] {
        let (_folder, path) = script(body);
        let prover = run(Prover::at(path)).within(Duration::from_secs(2), Duration::from_secs(8));
        assert_eq!(reasons(&prover).len(), 5, "{body}");
    }
}

#[test]
fn too_many_combinations_are_not_asked_about() {
    let Some(prover) = solver() else { return };
    let mut grant = grant();
    grant.agents = (0..50).map(|n| format!("a{n}").as_str().into()).collect();
    grant.users = (0..50).map(|n| format!("u{n}").as_str().into()).collect();
    let since = Instant::now();
    let proofs = grant_proofs(&prover, &guarded(), &grant);
    assert!(
        proofs.iter().all(|proof| matches!(&proof.answer, Answer::NotProven { why } if why.contains("combinations")))
    );
    assert!(since.elapsed() < Duration::from_secs(2));
}

#[test]
fn proofs_can_be_asked_for_on_any_thread() {
    fn travels<T: Send>(work: T) -> T {
        work
    }
    let prover = Prover::absent("none");
    let (set, grant) = (std::sync::Arc::new(guarded()), grant());
    let proofs = run(travels(prove_grant(&prover, &set, &grant)));
    assert_eq!(proofs, grant_proofs(&prover, &set, &grant));
    // Waiting inside of a runtime is unwise, and no panic.
    assert_eq!(run(async { grant_proofs(&prover, &set, &grant) }), proofs);
}
