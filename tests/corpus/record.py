#!/usr/bin/env python3
"""Records messages of peers that are not ours, for `src/mcp/tests/fidelity.rs`: `record.py` after `tests/setup.sh`.

Every file holds one conversation, `> ` before what the client sent and `< ` before what the server sent, each line as
it was on the wire. PEERS may name another folder with the peers' environments.
"""
import os, pathlib, shutil, subprocess, sys, tempfile

HERE = pathlib.Path(__file__).resolve().parent
PEERS = pathlib.Path(os.environ.get("PEERS", HERE.parent / "peers"))
OUT = HERE / "messages"
MODULES = PEERS / "node_modules/@modelcontextprotocol"


def record(name, client, server, mode="auto"):
    log = OUT / f"{name}.txt"
    log.unlink(missing_ok=True)
    python = PEERS / f".venv/{client}/bin/python"
    environment = os.environ | {"MODE": mode}
    command = [str(python), str(HERE / f"client_{client}.py"), sys.executable, str(HERE / "tap.py"), str(log), *server]
    subprocess.run(command, check=True, timeout=60, env=environment)
    print(f"{name}: {len(log.read_bytes().splitlines())} messages")


def main():
    OUT.mkdir(exist_ok=True)
    files = pathlib.Path(tempfile.mkdtemp())
    (files / "hello.txt").write_text("hello from a file\n\ttab, \"quotes\", é, 😀\u2028\n")
    odd = [str(PEERS / ".venv/modern/bin/python"), str(HERE / "server_odd.py")]
    time = [str(PEERS / ".venv/modern/bin/mcp-server-time"), "--local-timezone", "UTC"]
    node = shutil.which("node")
    record("modern-odd", "modern", odd)
    record("modern-time", "modern", time)
    record("legacy-odd", "legacy", odd)
    record("legacy-time", "legacy", time)
    if node:
        record("legacy-everything", "legacy", [node, str(MODULES / "server-everything/dist/index.js")])
        record("legacy-filesystem", "legacy", [node, str(MODULES / "server-filesystem/dist/index.js"), str(files)])
        record("modern-everything", "modern", [node, str(MODULES / "server-everything/dist/index.js")])
    shutil.rmtree(files)


main()
