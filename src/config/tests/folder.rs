//! The policies folder.

use std::fs;

use crate::config::read_policies;

#[test]
fn files_are_sorted_into_policies_exceptions_and_pilots() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for inner in ["roles", "exceptions", "pilots", "guardrails/hard"] {
        fs::create_dir_all(at(inner)).unwrap();
    }
    for name in [
        "roles/b.cedar",
        "roles/a.cedar",
        "agents.yaml",
        "exceptions/EX-1.yaml",
        "pilots/PI-1.yaml",
        "README.md",
        ".hidden",
    ] {
        fs::write(at(name), name).unwrap();
    }
    let read = read_policies(folder.path()).unwrap();
    let names: Vec<_> = read.policies.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(names, ["agents.yaml", "roles/a.cedar", "roles/b.cedar"]);
    assert_eq!(read.exceptions[0].text, "exceptions/EX-1.yaml");
    assert_eq!(read.pilots.len(), 1);
    assert!(read_policies(&at("gone")).unwrap().policies.is_empty());
}

#[test]
fn a_file_that_would_be_left_out_unseen_is_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("agents.yml"), "").unwrap();
    fs::write(folder.path().join("bytes.yaml"), [0xff]).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("link.yaml")).unwrap();
    let findings = read_policies(folder.path()).unwrap_err();
    let told: Vec<_> = findings.0.iter().map(|f| (f.file.as_str(), f.message.split(';').next().unwrap())).collect();
    assert_eq!(
        told,
        [
            ("agents.yml", "nobody reads this file"),
            ("bytes.yaml", "not UTF-8"),
            ("link.yaml", "links and devices are not read here")
        ]
    );
}
