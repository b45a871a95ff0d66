//! What controls.yaml says, and every fault of it with its line.

use super::super::Declared;
use crate::domain::{PersonEntry, Registry};

const FILE: &str = "controls:
  redaction:
    meets: [response.redact]
    probe: detectors
    every: 1s
    owner: ana@example.org
    constraints: a
    objective: b
    identified_risk: c
    definition: d
    validation: e
    maintenance: f
";

fn registry() -> Registry {
    let ana = PersonEntry { duties: [].into(), roles: [].into(), active: true };
    Registry { people: [("ana@example.org".into(), ana)].into(), ..Registry::default() }
}

#[test]
fn a_file_of_controls_declares_them_and_nothing_else() {
    let declared = Declared::read("controls.yaml", FILE, &registry()).unwrap();
    assert!(declared.declares("response.redact") && !declared.declares("taint.mark"));
    let (id, control) = declared.control_of("response.redact").unwrap();
    assert_eq!((id, control.every().as_millis(), control.owner.as_str()), ("redaction", 1_000, "ana@example.org"));
    let without = Declared::read("controls.yaml", "classes: {a: {pattern: b}}", &registry()).unwrap();
    assert!(without.declares("taint.mark"), "no list of controls: what the gateway keeps counts");
}

#[test]
fn every_fault_of_a_file_of_controls_is_told_with_its_line() {
    let told = |text: &str| Declared::read("controls.yaml", text, &registry()).unwrap_err().to_string();
    for (from, to, wanted) in [
        ("probe: detectors", "probe: journal", "controls.yaml:4"),
        ("ana@example.org", "eva@example.org", "controls.yaml:6"),
        ("every: 1s", "every: 1h", "controls.yaml:5"),
        ("[response.redact]", "[response.redcat]", "controls.yaml:3"),
        ("    maintenance: f\n", "", "maintenance"),
    ] {
        let told = told(&FILE.replace(from, to));
        assert!(told.contains(wanted), "{to}: {told}");
    }
    let told = told("classes: {email: {pattern: a}, b: {pattern: 'a*'}, c: {pattern: '('}}");
    assert_eq!(told.lines().count(), 3, "{told}");
}
