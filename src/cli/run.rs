//! From the command line to an exit code.

use std::{
    ffi::OsString,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser as _;
use serde_json::json;

use super::{
    check,
    command::{Cli, Command, Global},
    doctor, evidence,
    exit::Failure,
    help, local,
    parts::Parts,
    remote, report,
    screen::{Format, Screen},
    stdio,
    table::printable,
    traces,
};
use crate::config::{self, Operator, Settings};

/// Runs one command. Answers go to standard output, everything else to standard error.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>, parts: &Parts) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(told) => {
            let _ = told.print();
            return ExitCode::from(u8::try_from(told.exit_code()).unwrap_or(2));
        }
    };
    let format = cli.global.output;
    let mut out = io::stdout().lock();
    match dispatch(cli, parts, &mut Screen { format, out: &mut out }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = tell(&failure, format, &mut io::stderr().lock());
            ExitCode::from(failure.code())
        }
    }
}

/// Writes why it did not work; nothing in it moves the cursor (T105).
pub(super) fn tell(failure: &Failure, format: Format, to: &mut dyn Write) -> io::Result<()> {
    if failure.code() == 0 {
        return Ok(());
    }
    if format == Format::Json {
        let findings = if let Failure::Faulty(findings) = failure { Some(findings) } else { None };
        let message = findings.map_or_else(|| failure.to_string(), |_| "faults were found".to_owned());
        return writeln!(
            to,
            "{}",
            json!({"error": {"message": message, "exit": failure.code(), "findings": findings}})
        );
    }
    let Failure::Faulty(findings) = failure else {
        return writeln!(to, "postern: {}", printable(&failure.to_string()));
    };
    for finding in &findings.0 {
        writeln!(to, "{}", printable(&finding.to_string()))?;
    }
    let faults = if findings.0.len() == 1 { "1 fault".to_owned() } else { format!("{} faults", findings.0.len()) };
    writeln!(to, "postern: {faults}; nothing was changed")
}

fn dispatch(cli: Cli, parts: &Parts, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let Cli { global, command } = cli;
    if matches!(global.output, Format::Csv | Format::Html) && !matches!(command, Command::Report(_)) {
        return Err(Failure::Input("`--output csv` and `--output html` are for `postern report`".to_owned()));
    }
    match command {
        Command::Serve => local::serve(settings(&global)?, parts),
        Command::Stdio(arguments) => stdio::stdio(&arguments),
        Command::Check(arguments) => check::check(&settings(&global)?, arguments, parts, screen),
        Command::Doctor => doctor::doctor(&settings(&global)?, screen),
        Command::Evidence(command) => evidence::evidence(&command, &global, screen),
        Command::Traces(command) => traces::traces(&command, &global, screen),
        Command::Report(command) => report::report(command, &global, screen),
        Command::Completions { shell } => help::completions(shell, screen),
        Command::Man { dir } => help::man(&dir, screen),
        Command::Remote(command) => remote::remote(command, &global, screen),
    }
}

/// The file that holds, and whether it must be there.
pub(super) fn file(global: &Global) -> (PathBuf, bool) {
    global.config.as_ref().map_or_else(|| (Path::new("postern.yaml").to_path_buf(), false), |file| (file.clone(), true))
}

/// What an operator command needs of the configuration.
pub(super) fn operator(global: &Global) -> Result<Operator, Failure> {
    let (file, required) = file(global);
    Ok(config::operator(&file, required)?)
}

fn settings(global: &Global) -> Result<Settings, Failure> {
    let (file, required) = file(global);
    Ok(config::load(&file, required, &config::process_environment)?)
}
