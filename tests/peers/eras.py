"""The matrix of eras: clients and servers that speak the modern era, the legacy one or both, over HTTP and over stdio."""
import json, re
from concurrent.futures import ThreadPoolExecutor

import features, matrix
from gateway import Gateway
from house import FIXTURE, POSTERN, note, start, tail, until, venv

AGENT = "spiffe://example.org/agent/eras"
ERAS = ("modern", "dual", "legacy")
# The client that speaks one era or both is PyPI mcp 2.3.0, told so.
MODES = {"modern": "2026-07-28", "dual": "auto", "legacy": "legacy"}
BEHIND = ("http", "stdio")
# rmcp, on which the fixture stands, logs on the standing stream in the legacy era.
GAPS = {}


class Eras:
    """One gateway before six servers."""

    def __init__(self, work):
        self.work = work

    def start(self):
        logs = {era: self.work / f"fixture-{era}.log" for era in ERAS}
        for era, log in logs.items():
            start([FIXTURE, "--era", era, "--port", "0"], log)
        servers = []
        for era, log in logs.items():
            url = until("the fixture", 15, lambda: re.search(r"http://\S+", log.read_text()))[0]
            http = {"http": {"url": url}, "allow_private": True, "trust": "first_use"}
            stdio = {"stdio": {"command": FIXTURE, "args": ["--era", era, "--transport", "stdio"]}, "trust": "first_use"}
            servers += [f"  {era}-http: {json.dumps(http)}", f"  {era}-stdio: {json.dumps(stdio)}"]
        self.gateway = Gateway(self.work, "\n".join(servers), {AGENT: "features"}, {"features": features.ROLE}).start([AGENT])
        for era in ERAS:
            for behind in BEHIND:
                until(f"the tools of {era}-{behind}", 60, lambda: self.gateway.tools(AGENT, f"{era}-{behind}"))

    def play(self, rows):
        """A row for each cell, and all of them as a table."""
        before = rows.failed
        servers = [f"{era}-{behind}" for behind in BEHIND for era in ERAS]
        fronts = {"http": {}, "stdio": {"POSTERN": POSTERN}}
        runs = [(front, client, more) for front, more in fronts.items() for client in ERAS]
        # One at a time: an old server on stdio that works on several calls cannot ask (nobody could tell for which).
        with ThreadPoolExecutor(1) as pool:
            waiting = [pool.submit(matrix.run, [venv("modern"), "cell.py"], 200, MODE=MODES[client], URL=self.gateway.url,
                                   KEY=self.gateway.keys[AGENT], SERVERS=",".join(servers), **more) for _, client, more in runs]
            found = {(front, client): one.result() for (front, client, _), one in zip(runs, waiting)}
        cells = {}
        for (front, client), out in found.items():
            if "failed" in out:
                note(f"--- {client} client, {front}\n{out['failed']}")
            for server in servers:
                checks = out.get(server, {"session": out.get("failed", "no answer")})
                right = sum(not told for told in checks.values())
                cells[front, client, server] = f"{right}/{len(checks)}"
                gap = GAPS.get((server, "log"))
                if gap and "log" in checks:
                    rows.gap(f"{client} client, {front}", f"{server} server: log", not checks.pop("log"), gap)
                wrong = {name: told for name, told in checks.items() if told}
                rows.add(f"{client} client, {front}", f"{server} server", not wrong, wrong)
        table(cells)
        if rows.failed > before:
            note(f"log of the gateway of the eras:\n{tail(self.gateway.log)}")


def table(cells):
    """3 clients, 3 servers, 2 transports behind; for both ways in."""
    print(f"\n{'':<26}" + "".join(f"{behind + ' server':<27}" for behind in BEHIND).rstrip())
    print(f"{'client (way in)':<26}" + "".join(f"{era:<9}" for _ in BEHIND for era in ERAS).rstrip())
    for front in ("http", "stdio"):
        for client in ERAS:
            line = "".join(f"{cells[front, client, f'{era}-{behind}']:<9}" for behind in BEHIND for era in ERAS)
            print(f"{client + ' (' + front + ')':<26}{line}".rstrip())
    print(flush=True)
