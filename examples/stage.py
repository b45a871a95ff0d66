"""The stage of the examples: the gateway in a folder of its own, agents, people, and how the story is told.

Standard library only. `perform` copies an example to a temporary folder, starts `postern serve` there on free ports,
plays it and checks every step: if one does not do what the text says, it stops with exit code 1. At the end everything
is stopped and removed, unless STAY=1 is set. POSTERN names another binary.
"""

import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.error
import urllib.request

EXAMPLES = pathlib.Path(__file__).resolve().parent
POSTERN = os.environ.get("POSTERN", str(EXAMPLES.parent / "target/debug/postern"))
STAY = os.environ.get("STAY", "") not in ("", "0")
META = "io.modelcontextprotocol/"
REFUSAL = "dev.postern/refusal"
steps = 0


class Failed(Exception):
    """A step did not do what the text says."""


def expect(holds, what, seen=None):
    if not holds:
        raise Failed(what if seen is None else f"{what}\n  seen: {seen}")


def step(title):
    global steps
    steps += 1
    print(f"\n{steps}. {title}")


def say(text):
    print(textwrap.fill(text, 100, initial_indent="   ", subsequent_indent="   "), flush=True)


def show(mark, text):
    """Lines behind a mark, which stands before the first only."""
    head = f"   {mark} "
    print(head + text.rstrip().replace("\n", "\n" + " " * len(head)), flush=True)


class Gateway:
    """`postern serve` in a folder of its own, and the commands that people give it."""

    def __init__(self, folder):
        self.folder = folder
        config = folder / "postern.yaml"
        text = config.read_text()
        for port in (8080, 8081):  # port 0: the system gives a free one
            text = re.sub(rf"127\.0\.0\.1:{port}\b", "127.0.0.1:0", text, count=1)
        config.write_text(text)
        self.env = {key: value for key, value in os.environ.items() if not key.startswith("POSTERN")}
        self.start()

    def start(self):
        """Starts it; again after `stop`, with what its data folder holds."""
        self.log = open(self.folder / "serve.log", "wb")
        self.env.pop("POSTERN_URL", None)
        self.process = subprocess.Popen(
            [POSTERN, "serve"], cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT
        )
        self.agents = self.said(r"^Agents: (\S+)")
        self.admin = self.said(r"^Administration: (\S+)")
        self.env["POSTERN_URL"] = self.admin

    def said(self, pattern):
        """Waits until the gateway prints it."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            text = (self.folder / "serve.log").read_text(errors="replace")
            found = re.search(pattern, text, re.MULTILINE)
            if found:
                return found.group(1) if found.groups() else found.group(0)
            expect(self.process.poll() is None, "postern serve ended", text)
            time.sleep(0.05)
        raise Failed(f"the gateway did not say `{pattern}` within 30 s:\n{text}")

    def run(self, *words, by=None, shown=True, fails=False):
        """One command as somebody; what it prints."""
        key = ["--key-file", f"{by}.key"] if by else []
        if shown:
            show("$", " ".join(["postern", *key, *(f'"{word}"' if " " in word else word for word in words)]))
        done = subprocess.run([POSTERN, *key, *words], cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=60)
        expect((done.returncode != 0) == fails, f"`postern {' '.join(words)}` ended with {done.returncode}", done.stdout + done.stderr)
        out = done.stdout + (done.stderr if fails else "")
        if shown:
            show(" ", out)
        return out

    def key(self, kind, name, file):
        made = json.loads(self.run("key", "create", f"--{kind}", name, "--output", "json", shown=False))
        path = self.folder / f"{file}.key"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(made["key"] + "\n")
        return made["key"]

    def json(self, *words, by=None):
        """What a command answers, as data; not shown."""
        return json.loads(self.run(*words, "--output", "json", by=by, shown=False))

    def people(self, *names):
        """Keys for people of people.yaml, each in a file by the first name."""
        for name in names:
            self.key("person", f"{name}@example.org", name)

    def agent(self, name):
        """An agent of agents.yaml with a key of its own."""
        return Agent(self.agents, self.key("agent", name, name))

    def write(self, name, text):
        """A file of the example's folder; what it says."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def record(self, name, **values):
        """A record of the folder `records` with its `@…@` filled in; the file that can be submitted."""
        text = (self.folder / "records" / name).read_text()
        for key, value in values.items():
            text = text.replace(f"@{key.upper()}@", value)
        left = re.findall(r"@[A-Z_]+@", text)
        expect(not left, f"{name} has places that nobody filled in", left)
        self.write(name, text)
        return name

    def digest(self, tool):
        """The digest of a tool's definition, as `postern catalog list` shows it."""
        tools = self.json("catalog", "list")["tools"]
        found = [one["digest"] for one in tools if one["tool"] == tool]
        expect(found, f"the tool {tool} is not in the catalog", [one["tool"] for one in tools])
        return found[0]

    def decisions(self, exception):
        """The decisions that the exception admitted, from the journal."""
        seen = []
        for line in self.run("evidence", "export", shown=False).splitlines():
            payload = json.loads(json.loads(line).get("record", {}).get("payload", "{}"))
            if payload.get("kind") == "intent" and payload["verdict"].get("exception") == exception:
                seen.append(payload["decision"])
        return seen

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


class Agent:
    """A small MCP client of revision 2026-07-28."""

    def __init__(self, url, key):
        self.url, self.key, self.id = url, key, 0

    def ask(self, method, params, name=None):
        self.id += 1
        client = {"name": "demo", "version": "1"}
        meta = {f"{META}protocolVersion": "2026-07-28", f"{META}clientInfo": client, f"{META}clientCapabilities": {}}
        body = {"jsonrpc": "2.0", "id": self.id, "method": method, "params": {**params, "_meta": meta}}
        headers = {
            "Authorization": f"Bearer {self.key}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2026-07-28",
            "Mcp-Method": method,
            **({"Mcp-Name": name} if name else {}),
        }
        request = urllib.request.Request(self.url, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)

    def list(self):
        answer = self.ask("tools/list", {})
        expect("result" in answer, "tools/list failed", answer)
        return [tool["name"] for tool in answer["result"]["tools"]]

    def call(self, tool, **arguments):
        """The text of the answer, and the refusal if it is one."""
        show("agent →", f"{tool} {json.dumps(arguments)}")
        answer = self.ask("tools/call", {"name": tool, "arguments": arguments}, tool)
        self.answered = "result" in answer
        if "error" in answer:
            show("      ←", f"error {answer['error']['code']}: {answer['error']['message']}")
            return answer["error"]["message"], None
        result = answer["result"]
        text = result["content"][0]["text"]
        show("      ←", textwrap.fill(text, 90))
        return text, result.get("_meta", {}).get(REFUSAL)

    def admitted(self, tool, **arguments):
        text, refusal = self.call(tool, **arguments)
        expect(refusal is None and self.answered, f"{tool} was to be admitted", text)
        return text

    def refused(self, tool, reason, **arguments):
        text, refusal = self.call(tool, **arguments)
        expect(refusal is not None, f"{tool} was to be refused", text)
        expect(refusal["reason"] in reason, f"the reason was to be one of {reason}", refusal)
        return refusal


def interrupt(*_):
    raise KeyboardInterrupt


def now(**later):
    """A UTC time as records have it: now, or later by these parts of a timedelta."""
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**later)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def until(what, holds, seconds=15):
    """Waits until it holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return
        time.sleep(0.1)
    raise Failed(f"{what} did not happen within {seconds} s")


def stay(gateway):
    print(f"""
It stays up until Ctrl-C. Try:
   the commands     cd {gateway.folder}
                    export PATH="{pathlib.Path(POSTERN).resolve().parent}:$PATH" POSTERN_URL={gateway.admin}
                    postern exception list
                    postern evidence show
   the console      postern console                        prints a link for the browser
   the log          {gateway.folder}/serve.log
""", flush=True)
    try:
        gateway.process.wait()
        raise Failed("the gateway ended by itself; see its log")
    except KeyboardInterrupt:
        print("\nstopping")


def perform(here, play, stay=stay, before=None):
    """Plays an example; the exit code. `before` starts a process that the gateway needs."""
    name = here.name
    if not os.access(POSTERN, os.X_OK):
        print(f"{name}: `{POSTERN}` is not there; run `cargo build` first", file=sys.stderr)
        return 2
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"postern-{name}-"))
    gateway = process = None
    try:
        shutil.copytree(here, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("data", "*.key", "__pycache__"))
        shutil.copy(EXAMPLES / "toolserver.py", folder)
        process = before(folder) if before else None
        gateway = Gateway(folder)
        play(gateway)
        print(f"\nAll {steps} steps did what the text says.", flush=True)
        if STAY:
            stay(gateway)
        return 0
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted", file=sys.stderr)
        return 130
    except Failed as failed:
        print(f"\n{name}: step {steps} FAILED: {failed}", file=sys.stderr)
        if gateway:
            print("last lines of the gateway's log:", file=sys.stderr)
            print("\n".join((folder / "serve.log").read_text(errors="replace").splitlines()[-15:]), file=sys.stderr)
        return 1
    finally:
        if gateway:
            gateway.stop()
        if process:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)
