//! `report register|sprawl`, asked of the running gateway; `report bundle|verify|standards`, read from a folder.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use clap::Subcommand;
use serde_json::json;

use super::{
    command::Global,
    exit::Failure,
    remote::{connect, runtime},
    report_render as render,
    run::operator,
    screen::{Format, Screen},
};
use crate::{
    domain::ExceptionId,
    evidence::{Line, VerifyingKey},
    report::{self, Bundle, BundleError, Holdings, Register, Rows, Sprawl, Standards},
    store::Inspection,
};

#[derive(Debug, Subcommand)]
pub(super) enum ReportCommand {
    /// Every exception ever: who, what, until when, how much used, attested, why
    Register {
        /// Write a printable page to this file
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// The measures of exception sprawl
    Sprawl {
        /// How many days to look back
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=366))]
        days: u32,
        /// Write a printable page with plots to this file
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// Write all evidence of one exception, with proofs; the gateway need not run
    Bundle {
        /// The exception, `EX-…`
        id: ExceptionId,
        /// A new folder, or a new file that ends with `.tar`
        #[arg(long, value_name = "DIR|FILE.tar")]
        out: PathBuf,
        /// The data folder [default: the one of the configuration]
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Verify a bundle, without a gateway or network
    Verify {
        /// The folder of the bundle
        dir: PathBuf,
        /// The gateway's public key as you got it on another way: the key or a file with it (`signing.pub`)
        #[arg(long, value_name = "KEY|FILE")]
        key: Option<String>,
    },
    /// Which evidence there is, and which controls of standards it supports
    Standards {
        /// Of this exception alone
        #[arg(long, value_name = "ID")]
        exception: Option<ExceptionId>,
        /// The data folder [default: the one of the configuration]
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
}

pub(super) fn report(command: ReportCommand, global: &Global, screen: &mut Screen<'_>) -> Result<(), Failure> {
    match command {
        ReportCommand::Register { html } => {
            let client = connect(global)?;
            let found: Register = runtime()?.block_on(client.get("/api/v1/reports/register"))?;
            shown(&found, html.as_deref(), screen, (render::register, Register::csv, Register::html))
        }
        ReportCommand::Sprawl { days, html } => {
            let client = connect(global)?;
            let found: Sprawl = runtime()?.block_on(client.get(&format!("/api/v1/reports/sprawl?days={days}")))?;
            shown(&found, html.as_deref(), screen, (render::sprawl, Sprawl::csv, Sprawl::html))
        }
        ReportCommand::Bundle { id, out, data } => bundle(&id, &out, &inspect(data, global)?, screen),
        ReportCommand::Verify { dir, key } => verify(&dir, key.as_deref(), screen),
        ReportCommand::Standards { exception, data } => standards(exception.as_ref(), data, global, screen),
    }
}

type Forms<T> = (fn(&T) -> String, fn(&T) -> String, fn(&T) -> String);

/// As a table, as CSV or as a page; a page also into a file of its own.
fn shown<T: serde::Serialize>(
    found: &T,
    file: Option<&Path>,
    screen: &mut Screen<'_>,
    (table, csv, page): Forms<T>,
) -> Result<(), Failure> {
    if let Some(file) = file {
        let opened = fs::File::create(file);
        let written = opened.and_then(|mut open| open.write_all(page(found).as_bytes()));
        written.map_err(|error| Failure::Input(format!("`{}` cannot be written: {error}", file.display())))?;
    }
    match screen.format {
        Format::Csv => screen.out.write_all(csv(found).as_bytes())?,
        Format::Html => screen.out.write_all(page(found).as_bytes())?,
        Format::Table | Format::Json => screen.show(found, table)?,
    }
    Ok(screen.out.flush()?)
}

/// Neither a page nor CSV is made of this.
fn plain(screen: &Screen<'_>, and: &[Format]) -> Result<(), Failure> {
    let known = [Format::Table, Format::Json];
    if known.iter().chain(and).any(|format| *format == screen.format) {
        return Ok(());
    }
    Err(Failure::Input("this report is not written in that form; use `--output table` or `json`".to_owned()))
}

/// The journal of a data folder, which can be read more than once.
struct Journal(Inspection);

impl Rows for Journal {
    fn each(&self, take: &mut dyn FnMut(Line) -> io::Result<()>) -> Result<(), String> {
        self.0.export(0, take).map_err(|error| error.to_string())
    }
}

fn inspect(data: Option<PathBuf>, global: &Global) -> Result<Journal, Failure> {
    let data = match data {
        Some(data) => data,
        None => operator(global)?.data,
    };
    if !data.is_dir() {
        return Err(Failure::Input(format!("`{}` is not a folder; name the data folder with --data", data.display())));
    }
    Inspection::open(&data).map(Journal).map_err(|error| Failure::Refused(error.to_string()))
}

fn bundle(id: &ExceptionId, out: &Path, journal: &Journal, screen: &mut Screen<'_>) -> Result<(), Failure> {
    plain(screen, &[])?;
    let failed = |error: BundleError| match error {
        BundleError::Write(..) => Failure::Input(error.to_string()),
        BundleError::Unknown(_) | BundleError::TooLarge(_) | BundleError::Journal(_) | BundleError::Broken(_) => {
            Failure::Refused(error.to_string())
        }
    };
    let found = Bundle::collect(journal, id, journal.0.key()).map_err(failed)?;
    if out.extension().is_some_and(|ending| ending == "tar") {
        let unpacked = out.with_extension("tar.parts");
        found.write(journal, &unpacked).map_err(failed)?;
        let packed = report::pack(&unpacked, id.as_str(), out);
        let removed = fs::remove_dir_all(&unpacked);
        packed
            .and(removed)
            .map_err(|error| Failure::Input(format!("`{}` cannot be written: {error}", out.display())))?;
    } else {
        found.write(journal, out).map_err(failed)?;
    }
    let told = json!({"exception": id, "out": out, "records": found.records(), "signed": found.signed(),
        "unsigned": found.unsigned(), "removed": found.gone(), "key": journal.0.key().to_string()});
    Ok(screen.show(&told, |_| render::bundle(&found, out, &journal.0.key().to_string()))?)
}

fn verify(dir: &Path, key: Option<&str>, screen: &mut Screen<'_>) -> Result<(), Failure> {
    plain(screen, &[])?;
    let key = key.map(read_key).transpose()?;
    let found = report::verify(dir, key.as_ref())
        .map_err(|error| Failure::Input(format!("`{}` cannot be read: {error}", dir.display())))?;
    screen.show(&found, render::verification)?;
    if found.holds { Ok(()) } else { Err(Failure::Refused("the bundle is not what was written".to_owned())) }
}

fn read_key(given: &str) -> Result<VerifyingKey, Failure> {
    let text = if given.contains('+') && !Path::new(given).exists() {
        given.to_owned()
    } else {
        fs::read_to_string(given).map_err(|error| Failure::Input(format!("cannot read the key `{given}`: {error}")))?
    };
    text.parse().map_err(|error| Failure::Input(format!("`{given}`: {error}")))
}

fn standards(
    exception: Option<&ExceptionId>,
    data: Option<PathBuf>,
    global: &Global,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    plain(screen, &[Format::Csv])?;
    let journal = inspect(data, global)?;
    let mut holdings = Holdings::of(exception);
    let read = journal.each(&mut |line| {
        holdings.line(&line);
        Ok(())
    });
    read.map_err(Failure::Refused)?;
    let map = Standards::read().map_err(|error| Failure::Refused(error.to_string()))?;
    let mapped = map.mapped(&holdings);
    if screen.format == Format::Csv {
        return Ok(screen.out.write_all(map.csv(&mapped).as_bytes())?);
    }
    let whole = json!({"version": map.version, "stamp": map.stamp, "says": map.says, "source": map.source,
        "exception": exception, "checkpoints": holdings.checkpoints(), "removed": holdings.gone(), "evidence": mapped, "aliases": map.aliases,
        "frameworks": map.frameworks});
    let gone = render::removed(holdings.gone());
    Ok(screen.show(&whole, |_| render::standards(&map, &mapped, holdings.checkpoints()) + &gone)?)
}
