#!/usr/bin/env bash
# Sets up what the tests with real peers need: system packages (as root), virtual environments, npm packages.
# What cannot be set up is listed as NOT RUN; with CI set that is a failure.
set -u
cd "$(dirname "$0")/peers" || exit 1
missing=()
say() { printf '== %s\n' "$*"; }

packages=()
for pair in strace:strace git:git sqlite3:sqlite3 cvc5:cvc5; do
  command -v "${pair%%:*}" >/dev/null || packages+=("${pair##*:}")
done
if [ ${#packages[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing ${packages[*]}"
    apt-get update -qq && apt-get install -y -qq "${packages[@]}" >/dev/null || missing+=("system packages ${packages[*]}")
  else
    missing+=("system packages ${packages[*]} (not root)")
  fi
fi

# environment NAME [OPTION]: a virtual environment with pinned requirements, made once for each version of the file.
# The option is pip's.
environment() {
  local name=$1 stamp
  stamp=$(sha256sum "requirements/$name.txt" | cut -c1-16)
  [ -e ".venv/$name/.$stamp" ] && return 0
  say "python environment '$name' (a minute at the most)"
  rm -rf ".venv/$name"
  python3 -m venv ".venv/$name" \
    && ".venv/$name/bin/pip" install --quiet --disable-pip-version-check "${@:2}" -r "requirements/$name.txt" \
    && touch ".venv/$name/.$stamp" || missing+=("python environment '$name'")
}
if command -v python3 >/dev/null; then
  for name in modern legacy backends openapi; do environment "$name"; done
  # Its file names every package: fastmcp asks for a release of certifi that no index has, and works with the one before.
  environment agents --no-deps
else
  missing+=("python3: clients and servers from PyPI, collectors")
fi

# npm_packages FOLDER WHAT: npm packages of a lock, installed once for each version of it.
npm_packages() {
  local stamp
  stamp=$(sha256sum "$1/package-lock.json" | cut -c1-16)
  [ -e "$1/node_modules/.$stamp" ] && return 0
  say "npm packages of $2"
  npm ci --prefix "$1" --no-audit --no-fund --silent >/dev/null && touch "$1/node_modules/.$stamp" || missing+=("npm packages of $2")
}
if command -v npm >/dev/null; then
  npm_packages . "the real peers"
  npm_packages ../conformance "the conformance suite"
else
  missing+=("npm: clients and servers from npm, the conformance suite")
fi

if [ ${#missing[@]} -gt 0 ]; then
  printf '\nNOT RUN, since it could not be set up:\n'
  printf '  - %s\n' "${missing[@]}"
  [ -n "${CI:-}" ] && exit 1
fi
exit 0
