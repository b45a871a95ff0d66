#!/usr/bin/env python3
"""Plays the five cases and prints each story in short; the last line counts them. `make cases` runs it."""

import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
CASES = ["temporary-elevation", "rule-exemption", "pilot", "break-glass", "third-party-connector"]


def main():
    failed = []
    for name in CASES:
        title = (HERE / name / "README.md").read_text().splitlines()[0].removeprefix("# ")
        print(f"{name}: {title}", flush=True)
        begun = time.monotonic()
        done = subprocess.run([sys.executable, HERE / name / "play.py"], capture_output=True, text=True, timeout=300)
        for step in re.findall(r"^\d+\. .*", done.stdout, re.MULTILINE):
            print(f"   {step}")
        if done.returncode == 0:
            print(f"   passed in {time.monotonic() - begun:.1f} s\n", flush=True)
        else:
            failed.append(name)
            print(f"   FAILED\n{done.stdout[-3000:]}{done.stderr[-3000:]}\n", flush=True)
    print(f"cases: {len(CASES) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
