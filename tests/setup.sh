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
compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || packages+=(libfaketime)
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

# Software that verifies our log needs a Python of 3.12 or later: the first one that is found.
verifier() {
  local python stamp at=../evidence
  stamp=$(sha256sum "$at/requirements.txt" | cut -c1-16)
  [ -e "$at/.venv/.$stamp" ] && return 0
  for python in python3.14 python3.13 python3.12 "$HOME"/.pyenv/versions/3.1[2-9]*/bin/python; do
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null || continue
    say "python environment of the verifier ($python)"
    rm -rf "$at/.venv"
    "$python" -m venv "$at/.venv" \
      && "$at/.venv/bin/pip" install --quiet --disable-pip-version-check -r "$at/requirements.txt" \
      && touch "$at/.venv/.$stamp" && return 0
  done
  missing+=("aics-tlog, which verifies our log: no Python of 3.12 or later, or no package")
}
verifier

# Prometheus and Alertmanager, by apt, as root or with sudo. Their packages would start both as services, now and at each
# boot; here they are programs for a test.
monitors() {
  local absent=() as=() policy=/usr/sbin/policy-rc.d ours=''
  command -v prometheus >/dev/null && command -v promtool >/dev/null || absent+=(prometheus)
  command -v prometheus-alertmanager >/dev/null && command -v amtool >/dev/null || absent+=(prometheus-alertmanager)
  [ ${#absent[@]} -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || as=(sudo -n)
  if command -v apt-get >/dev/null && "${as[@]}" true 2>/dev/null; then
    say "installing ${absent[*]}"
    [ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' | "${as[@]}" tee "$policy" >/dev/null && "${as[@]}" chmod 755 "$policy" && ours=yes; }
    "${as[@]}" apt-get update -qq
    "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${absent[@]}" >/dev/null \
      || missing+=("system packages ${absent[*]}")
    [ -z "$ours" ] || "${as[@]}" rm -f "$policy"
    if command -v systemctl >/dev/null; then
      "${as[@]}" systemctl disable --now --quiet "${absent[@]}" 2>/dev/null
    fi
  else
    missing+=("system packages ${absent[*]} (no apt, or neither root nor sudo)")
  fi
}
monitors

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
