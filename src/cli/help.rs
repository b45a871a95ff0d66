//! Completions and man pages, made from the commands themselves.

use std::{fs, io, path::Path};

use clap::CommandFactory as _;

use super::{command::Cli, exit::Failure, screen::Screen};

pub(super) fn completions(shell: clap_complete::Shell, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "postern", &mut script);
    Ok(screen.out.write_all(&script)?)
}

pub(super) fn man(folder: &Path, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::Input(format!("`{}` cannot be written: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(failed)?;
    Ok(writeln!(screen.out, "the pages are in {0}; `man {0}/postern.1` shows the first", folder.display())?)
}
