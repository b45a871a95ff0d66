#!/usr/bin/env bash
# Runs every fuzz target in turn, SECONDS_EACH seconds each. What is found stands in fuzz/artifacts; new inputs stay in
# fuzz/target, the corpora are not touched. Last line: `fuzz: N targets kept their promise, M broke it`.
set -uo pipefail
cd "$(dirname "$0")/.."
seconds=${SECONDS_EACH:-60}
command -v cargo-fuzz >/dev/null || { echo "cargo-fuzz is not there: cargo install cargo-fuzz --locked" >&2; exit 1; }

kept=0 broke=0
for file in fuzz/targets/*.rs; do
  target=$(basename "$file" .rs)
  found=fuzz/target/found/$target
  mkdir -p "$found"
  echo "== $target, $seconds s"
  # Safe code has nothing for a sanitizer to find, and without one a stable compiler will do.
  log=$(mktemp)
  if cargo fuzz run -s none "$target" "$found" "fuzz/corpus/$target" -- -max_total_time="$seconds" -timeout=10 -max_len=4096 >"$log" 2>&1; then
    grep -E '^Done' "$log"
    kept=$((kept + 1))
  else
    tail -n 40 "$log"
    broke=$((broke + 1))
  fi
  rm -f "$log"
done
echo "fuzz: $kept targets kept their promise, $broke broke it"
[ "$broke" = 0 ]
