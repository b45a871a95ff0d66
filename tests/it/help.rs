//! What every command says of itself, as one text: read it before you change it.

use clap::CommandFactory as _;

use postern::cli::Cli;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/help.txt");

/// The help of this command and of all below it; what holds for every command is told once.
fn told(command: &mut clap::Command, path: &str, out: &mut String) {
    let name = format!("{path}{}", command.get_name());
    let help = command.render_long_help().to_string();
    let own = help.find("\nOptions of every command:").filter(|_| !path.is_empty());
    out.push_str(&format!("===== {name} =====\n{}\n", &help[..own.unwrap_or(help.len())]));
    let below: Vec<String> = command.get_subcommands().map(|one| one.get_name().to_owned()).collect();
    for one in below.iter().filter(|one| *one != "help") {
        if let Some(one) = command.find_subcommand_mut(one) {
            told(one, &format!("{name} "), out);
        }
    }
}

/// `POSTERN_WRITE_HELP=1 cargo test --test it help` writes the file anew.
#[test]
fn the_help_of_every_command_is_the_one_that_was_read() {
    let mut root = Cli::command().term_width(100);
    root.build();
    let mut said = String::new();
    told(&mut root, "", &mut said);
    let said: String = said.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    if std::env::var_os("POSTERN_WRITE_HELP").is_some() {
        std::fs::write(FILE, &said).unwrap();
    }
    let read = std::fs::read_to_string(FILE).unwrap_or_default();
    let first = said.lines().zip(read.lines()).find(|(said, read)| said != read);
    assert!(said == read, "the help is not that of tests/it/help.txt; the first other line: {first:?}");
}

/// A command without a word about itself, or an option without one, helps nobody.
#[test]
fn every_command_and_every_option_says_what_it_is_for() {
    fn mute(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        let name = format!("{path} {}", command.get_name());
        if command.get_about().is_none() {
            found.push(name.clone());
        }
        let silent = command.get_arguments().filter(|one| one.get_help().is_none());
        found.extend(silent.map(|one| format!("{name} {}", one.get_id())));
        command.get_subcommands().filter(|one| one.get_name() != "help").for_each(|one| mute(one, &name, found));
    }
    let mut found = Vec::new();
    mute(&Cli::command(), "", &mut found);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn completions_and_man_pages_know_every_command() {
    let mut script = Vec::new();
    clap_complete::generate(clap_complete::Shell::Bash, &mut Cli::command(), "postern", &mut script);
    let script = String::from_utf8(script).unwrap();
    let folder = tempfile::tempdir().unwrap();
    clap_mangen::generate_to(Cli::command(), folder.path()).unwrap();
    for command in Cli::command().get_subcommands() {
        let name = command.get_name();
        assert!(script.contains(&format!("postern,{name})")), "completions: {name}");
        assert!(folder.path().join(format!("postern-{name}.1")).exists(), "man page: {name}");
    }
    assert!(script.contains("--address"), "options too");
}
