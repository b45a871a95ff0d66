"""Checkpoints that leave the machine: to a webhook, to a collector, and to a witness that is not ours (PyPI aics-witness)."""

import base64
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
TOOLS = HERE / ".venv" / "bin"
SECRET = b"0123456789abcdef0123456789abcdef"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def until(what, seconds, good):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if good():
            return True
        time.sleep(0.1)
    return False


class Witness:
    """aics-witness on a port of its own."""

    def __init__(self, folder):
        self.folder, self.port, self.process = folder, free_port(), None
        folder.mkdir()
        self.config = folder / "witness.json"
        self.key = self.tool("init", "--name", "witness.example/w1").stdout.strip()
        self.url = f"http://127.0.0.1:{self.port}"

    def tool(self, *words):
        command = [TOOLS / "aics-witness", words[0], "--config", self.config, *words[1:]]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)

    def trust(self, vkey):
        self.tool("add-log", "--origin", vkey.split("+")[0], "--vkey", vkey)

    def start(self):
        command = [TOOLS / "aics-witness", "serve", "--config", self.config, "--listen", f"127.0.0.1:{self.port}"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def size(self):
        logs = json.loads(self.tool("status", "--json").stdout)["logs"]
        return logs[0].get("size") or 0

    def kept(self):
        return len(json.loads(self.tool("evidence").stdout or "[]"))


class Hook:
    """A webhook that refuses the first two events, and verifies what it takes as Standard Webhooks has it."""

    def __init__(self):
        self.refusals, self.taken, self.faults = 2, [], []
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                if hook.refusals > 0:
                    hook.refusals -= 1
                    self.send_response(503)
                else:
                    hook.take(self.headers, body)
                    self.send_response(204)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/checkpoints"

    def take(self, headers, body):
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
        if headers["webhook-signature"] != f"v1,{expected}":
            self.faults.append("a signature does not hold")
        self.taken.append(json.loads(body))

    def size(self):
        return max((event["data"]["size"] for event in self.taken), default=0)


class Rotel:
    """rotel, which prints each log record that it gets."""

    def __init__(self, agent, folder):
        self.port, self.log = free_port(), folder / "rotel.log"
        command = [agent, "start", "--exporter", "blackhole", "--debug-log", "logs", "--debug-log-verbosity", "detailed",
                   "--otlp-grpc-endpoint", f"127.0.0.1:{self.port}", "--otlp-http-endpoint", f"127.0.0.1:{free_port()}"]
        self.process = subprocess.Popen(command, stdout=self.log.open("w"), stderr=subprocess.STDOUT)

    def said(self):
        return self.log.read_text(errors="replace")

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


def rotel():
    found = os.environ.get("POSTERN_ROTEL")
    agents = (HERE.parent / "peers" / ".venv" / "backends").glob("lib/python*/site-packages/rotel/rotel-agent")
    return found or next((str(agent) for agent in agents), None)


def away(tools, folder):
    """`tools` are check, run, grow, served, size, Gateway and POSTERN of run.py."""
    folder = folder / "away"
    folder.mkdir()
    gateway = tools.Gateway(folder)
    with gateway:
        tools.grow(gateway, 20)
    key = (folder / "data" / "signing.pub").read_text().strip()
    witness, hook, agent = Witness(folder / "witness"), Hook(), rotel()
    collector = Rotel(agent, folder) if agent else None
    (folder / "hook.secret").write_bytes(SECRET)
    (folder / "hook.secret").chmod(0o600)
    (folder / "copies").mkdir()
    otlp = f"    otlp: 'http://127.0.0.1:{collector.port}'\n" if collector else ""
    gateway.config.write_text(
        gateway.config.read_text()
        + "store: {checkpoint_copies: [./copies]}\nevidence:\n  checkpoints:\n    every_s: 1\n"
        + f"    webhook: {{url: '{hook.url}', secret_file: ./hook.secret, allow_private: true}}\n{otlp}"
        + f"  witnesses: {{members: {{one: {{url: '{witness.url}', key: '{witness.key}', allow_private: true}}}}}}\n"
    )
    try:
        leaves(tools, folder, gateway, (key, witness, hook, collector))
        rewritten(tools, folder, gateway, witness)
    finally:
        witness.stop()
        if collector:
            collector.stop()


def leaves(tools, folder, gateway, parts):
    key, witness, hook, collector = parts
    check, run, tiles = tools.check, tools.run, folder / "data" / "tiles"
    note = folder / "cosigned"

    def cosigned(least):
        """The checkpoint over HTTP, once it signs so many records and bears the witness's line."""
        def good():
            text = tools.served(gateway, least)
            note.write_text(text)
            return "witness.example/w1" in text
        return until("a cosignature", 30, good)

    with gateway:
        tools.grow(gateway, 5)
        tools.served(gateway, 25)
        check("while no witness answers, checkpoints go on without it", "witness.example" not in tools.served(gateway, 25))
        late = lambda: [line for line in json.loads(gateway.ask("/api/v1/exports")[1]) if line["name"] == "witness:one"]
        check("and it is shown what is missing", late() and late()[0]["trouble"], late())
        witness.trust(key)
        witness.start()
        check("a witness that is there at last cosigns the same checkpoint", cosigned(25))
        said = run(TOOLS / "python", HERE / "stranger_witness.py", note, folder / "data" / "signing.pub", witness.key)
        check("a stranger finds its cosignature on the checkpoint that is served", said[0] == 0, said)
        shutil.copytree(folder / "data", folder / "yesterday")
        for _ in range(3):
            tools.grow(gateway, 300)
            time.sleep(1.1)
        check("it cosigns what the log became, by proofs from the tiles", cosigned(925) and witness.size() >= 925, witness.size())
        metrics = gateway.ask("/metrics")[1].decode()
        check("what each receiver lacks is measured", 'postern_checkpoint_lag_seconds{to="witness:one"}' in metrics)
    last = tools.size((tiles / "checkpoint").read_text())
    check("the last checkpoint is cosigned as the gateway stops", witness.size() == last, (witness.size(), last))
    webhook(tools, hook, last)
    if collector:
        said = lambda: collector.said()
        arrived = until("the log record", 10, lambda: f"postern.checkpoint.size: Int({last})" in said())
        check("a collector that is not ours has the last checkpoint as a log record", arrived and "postern.checkpoint" in said(), said()[-600:])
    elif os.environ.get("CI"):
        check("a collector that is not ours is there (bash tests/setup.sh)", False)
    else:
        print("--   NOT RUN: rotel is not there (bash tests/setup.sh)")
    verified(tools, folder, witness, last)


def webhook(tools, hook, last):
    tools.check("a webhook that refused at first has the last checkpoint", hook.size() == last, (hook.size(), last))
    tools.check("signed as Standard Webhooks has it", not hook.faults and hook.taken, hook.faults)
    event = hook.taken[-1]
    sound = event["specversion"] == "1.0" and event["type"] == "dev.postern.checkpoint.v1" and event["data"]["note"].startswith(event["subject"])
    tools.check("as a CloudEvent that carries the note", sound, event)
    sizes = [event["data"]["size"] for event in hook.taken]
    tools.check("and never an older one after a newer one", sizes == sorted(sizes), sizes)


def verified(tools, folder, witness, last):
    check, run, verify = tools.check, tools.run, [tools.POSTERN, "evidence", "verify"]
    tiles, key, data = folder / "data" / "tiles", folder / "data" / "signing.pub", folder / "data"
    other = Witness(folder / "other")
    for copy in (tiles, data):
        code, said = run(*verify, copy, "--key", key, "--witness", witness.key)
        check(f"our verify finds the cosignature on `{copy.name}` and its time", code == 0 and f"over {last} records" in said and re.search(r"witness.example/w1 at 20\d\d-", said), said)
    code, said = run(*verify, tiles, "--key", key, "--witness", witness.key, "--witness", other.key)
    check("a witness that did not cosign is missed", code == 1 and "2 cosignatures" in said and "1 is there" in said, said)
    code, said = run(*verify, tiles, "--key", key, "--witness", witness.key, "--witness", other.key, "--quorum", "1")
    check("unless one of two is enough", code == 0, said)
    copy = folder / "copies" / "postern.checkpoint.witnessed"
    check("the copy has the cosigned checkpoint beside it", copy.is_file() and tools.size(copy.read_text()) == last)
    proof = folder / "record.tlog-proof"
    proof.write_text(run(tools.POSTERN, "evidence", "prove", tiles, "--seq", "7")[1] + "\n")
    code, said = run(*verify, "--proof", proof, "--key", key, "--witness", witness.key)
    check("a proof of one record carries the cosignature", code == 0 and "witness.example/w1 at" in said, said)
    note = (tiles / "checkpoint").read_text()
    forged = folder / "forged"
    shutil.copytree(tiles, forged)
    line = next(line for line in note.splitlines() if "witness.example/w1" in line)
    raw = bytearray(base64.b64decode(line.split(" ")[2]))
    raw[11] ^= 1  # the time
    (forged / "checkpoint").write_text(note.replace(line.split(" ")[2], base64.b64encode(raw).decode()))
    code, said = run(*verify, forged, "--key", key, "--witness", witness.key)
    check("a cosignature with another time does not hold", code == 1 and "DOES NOT HOLD" in said, said)


def rewritten(tools, folder, gateway, witness):
    """An older copy of the data folder is put back and written on, with the log's own key: another history."""
    check, before = tools.check, witness.size()
    shutil.rmtree(folder / "data")
    shutil.move(folder / "yesterday", folder / "data")
    shutil.rmtree(folder / "copies")  # whoever rewrites the host removes these
    (folder / "copies").mkdir()

    def alarms():
        lines = tools.run(tools.POSTERN, "evidence", "export", "--data", folder / "data")[1].splitlines()
        return [line for line in lines if "witness_refused" in line]

    with gateway:
        tools.grow(gateway, 3)
        check("a log that was put back is told by its witness", until("an alarm", 20, alarms), alarms())
        size = tools.size(tools.served(gateway, 1))
        while size <= before + 5:
            tools.grow(gateway, 300)
            size = tools.size(tools.served(gateway, size + 1))
        check("one that was written anew is never cosigned", until("a refusal", 90, lambda: witness.kept() > 0) and witness.size() == before, witness.size())
        other = lambda: [line for line in alarms() if "another log" in line]
        check("and that it is another log is told by a second alarm", until("an alarm", 20, other), alarms())
        check("and says so where it is served", "witness.example" not in tools.served(gateway, before))
    code, said = tools.run(tools.POSTERN, "evidence", "verify", folder / "data" / "tiles", "--key", folder / "data" / "signing.pub", "--witness", witness.key)
    check("a stranger who demands the witness refuses the rewritten log", code == 1, said)
