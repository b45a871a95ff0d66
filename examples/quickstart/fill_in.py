#!/usr/bin/env python3
"""Fills in the request for the pilot: `postern catalog list --output json | python3 fill_in.py [SECONDS] > my.yaml`.

The digest is that of `delete_note` in the catalog on standard input; the window begins now and lasts 30 days if
nothing else is said.
"""

import datetime
import json
import pathlib
import sys

seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 30 * 24 * 3600
tools = json.load(sys.stdin)["tools"]
begin = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
end = begin + datetime.timedelta(seconds=seconds)
text = pathlib.Path(__file__).with_name("records").joinpath("EX-2026-0001.yaml").read_text()
values = {
    "@DIGEST@": next(tool["digest"] for tool in tools if tool["tool"] == "delete_note"),
    "@NOT_BEFORE@": begin.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "@NOT_AFTER@": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
}
for name, value in values.items():
    text = text.replace(name, value)
sys.stdout.write("".join(line for line in text.splitlines(keepends=True) if not line.startswith("# @")))
