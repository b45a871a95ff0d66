#!/usr/bin/env bash
# Everything that `make test` runs, or one part of it: acceptance, peers, conformance, evidence, observability, drills, cases.
# What cannot be set up is listed as NOT RUN; with CI set that is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
skipped=()

say() { printf '\n== %s\n' "$*"; }
not_run() { printf '\n!! NOT RUN: %s\n' "$*"; skipped+=("$*"); }

setup() {
  say "setting up what the tests need (virtual environments, npm packages; a few minutes the first time)"
  bash tests/setup.sh
}

build() {
  say "building (debug profile; some minutes the first time)"
  cargo build --locked
}

rust() {
  say "Rust tests: rooms, doors, integration"
  cargo test --locked --lib --test architecture --test it --test stdio
}

acceptance() {
  if ! grep -q '^name = "acceptance"' Cargo.toml; then
    not_run "black boxes: Cargo.toml has no test named acceptance"
    return
  fi
  say "black boxes (some minutes)"
  cargo test --locked --test acceptance
}

peers() {
  if [ ! -d tests/peers/.venv ]; then
    not_run "real peers: tests/peers/.venv is not there (bash tests/setup.sh says why)"
    return
  fi
  say "building the fixture of the matrix of eras"
  cargo build --locked --example fixture
  say "clients and tool servers that are not ours, and traces in Phoenix (five minutes)"
  python3 tests/peers/run.py
}

conformance() {
  if [ ! -d tests/conformance/node_modules ] || [ ! -d tests/peers/.venv/modern ]; then
    not_run "conformance suite: its packages are not there (bash tests/setup.sh says why)"
    return
  fi
  say "building the fixture of the conformance suite"
  cargo build --locked --example fixture
  say "the official conformance suite, through the gateway (some minutes)"
  python3 tests/conformance/run.py
}

evidence() {
  if [ ! -e tests/evidence/.venv/bin/python ]; then
    not_run "evidence: tests/evidence/.venv is not there (bash tests/setup.sh says why)"
    return
  fi
  say "the log of a running gateway, verified by software that is not ours (half a minute)"
  python3 tests/evidence/run.py
}

observability() {
  local program
  for program in prometheus promtool prometheus-alertmanager amtool; do
    if ! command -v "$program" >/dev/null; then
      not_run "observability: $program is not there (bash tests/setup.sh says why)"
      return
    fi
  done
  say "rules, routes and dashboard with the real Prometheus and Alertmanager (half a minute)"
  python3 tests/observability/run.py
}

drills() {
  say "outage drills, each with its timeline, and the count of what each use leaves (two minutes)"
  cargo test --quiet --locked --test acceptance -- --drills
}

demo() {
  say "the demo, as a smoke test (half a minute)"
  local log
  log=$(mktemp)
  if STAY='' python3 examples/quickstart/demo.py >"$log" 2>&1; then
    tail -n 1 "$log"
    rm -f "$log"
  else
    cat "$log"
    rm -f "$log"
    return 1
  fi
}

cases() {
  say "the five cases of exceptions (a minute)"
  python3 examples/cases.py
}

case "${1:-all}" in
  all) setup; build; rust; acceptance; conformance; peers; evidence; observability; drills; demo; cases ;;
  cases) build; cases ;;
  acceptance) setup; build; acceptance ;;
  drills) setup; build; drills ;;
  evidence) setup; build; evidence ;;
  observability) setup; build; observability ;;
  peers) setup; build; peers ;;
  conformance) setup; build; conformance ;;
  *) echo "usage: tests/all.sh [acceptance|peers|conformance|evidence|observability|drills|cases]" >&2; exit 2 ;;
esac

if [ ${#skipped[@]} -gt 0 ]; then
  printf '\nNOT RUN:\n'
  printf '  - %s\n' "${skipped[@]}"
  [ -z "${CI:-}" ] || exit 1
elif [ "${1:-all}" = all ]; then
  say "all passed"
fi
