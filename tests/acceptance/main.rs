//! Black-box acceptance: the real binary between agents and a tool server that writes down what reaches it.
//!
//! `cargo test --test acceptance [-- SUBSTRING…]` runs the cases whose name holds one of the substrings;
//! `--list` names them. The last line is `acceptance: N passed, M failed`. With `--drills` the outage drills of
//! `drills/` are run instead; the last lines are `drills: N passed, M failed` and `coverage: X.X %`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a black box that cannot go on has failed"
)]

mod backend;
mod cases;
mod collector;
mod drills;
mod gateway;
mod house;
mod offer;
mod peer;
mod prints;
mod sink;
mod upstream;
mod wire;

use std::{
    future::Future,
    io::Write as _,
    pin::Pin,
    process::ExitCode,
    time::{Duration, Instant},
};

type Run = fn() -> Pin<Box<dyn Future<Output = anyhow::Result<()>>>>;

/// A case: its name, the threats that it shows the answer to, its time limit and what it does.
pub struct Case {
    name: &'static str,
    threats: &'static str,
    seconds: u64,
    run: Run,
}

/// What this machine lacks for a case; with `CI` set that is a failure.
#[derive(Debug)]
pub struct NotRun(pub String);

impl std::fmt::Display for NotRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NOT RUN: {}", self.0)
    }
}

impl std::error::Error for NotRun {}

/// Says what is being done, under the name of the case.
pub fn say(what: &str) {
    println!("       {what}");
    let _ = std::io::stdout().flush();
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let drilled = arguments.iter().any(|argument| argument == "--drills");
    let (cases, title) = if drilled { (drills::all(), "drills") } else { (cases::all(), "acceptance") };
    let chosen = cases.iter().filter(|case| {
        let title = format!("{} {}", case.name, case.threats);
        wanted.is_empty() || wanted.iter().any(|part| title.contains(part.as_str()))
    });
    if arguments.iter().any(|argument| argument == "--list") {
        chosen.for_each(|case| println!("{}: test", case.name));
        return ExitCode::SUCCESS;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            println!("cannot start: {error}\n{title}: 0 passed, 1 failed");
            return ExitCode::FAILURE;
        }
    };
    let (mut passed, mut failed) = (0, 0);
    for case in chosen {
        let begun = Instant::now();
        println!("…      {} [{}]", case.name, case.threats);
        let limit = Duration::from_secs(case.seconds);
        let fault = match runtime.block_on(async { tokio::time::timeout(limit, (case.run)()).await }) {
            Ok(Ok(())) => None,
            Ok(Err(error)) if error.is::<NotRun>() && std::env::var_os("CI").is_none() => {
                println!("--     {} {error}", case.name);
                continue;
            }
            Ok(Err(error)) => Some(format!("{error:#}")),
            Err(_) => Some(format!("took longer than {} s", case.seconds)),
        };
        let time = begun.elapsed().as_secs_f64();
        match fault {
            None => {
                passed += 1;
                println!("ok     {} ({time:.1} s)", case.name);
            }
            Some(why) => {
                failed += 1;
                println!("FAIL   {} ({time:.1} s): {why}", case.name);
            }
        }
    }
    println!("{title}: {passed} passed, {failed} failed");
    if drilled {
        println!("{}", drills::coverage::line());
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
