"""HTTP APIs of somebody else as tools: openapi.py runs in an environment of its own; its rows count here."""
import os, subprocess

from house import HERE, POSTERN, note, venv


def run():
    return subprocess.run([venv("openapi"), str(HERE / "openapi.py")], env={**os.environ, "POSTERN": POSTERN}, capture_output=True,
                          text=True, timeout=240, cwd=HERE)


def play(rows, done):
    rows.fold("openapi: mcp 2.3.0 auto", done.stdout)
    if done.returncode:
        note("--- openapi\n" + done.stderr[-3000:])
    if " passed, " not in done.stdout:
        rows.add("openapi", "the run itself", False, (done.stderr or done.stdout)[-300:])
