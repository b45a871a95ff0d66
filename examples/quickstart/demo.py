#!/usr/bin/env python3
"""An agent's day behind Postern, told step by step. `make demo` runs it; standard library only.

It copies this folder to a temporary one, starts `postern serve` there on free ports, plays the agent and the people,
and checks every step: if one does not do what the text says, it stops with exit code 1. At the end everything is
stopped and removed, unless STAY=1 is set. POSTERN names another binary, WINDOW the seconds that the exception lasts.
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

HERE = pathlib.Path(__file__).resolve().parent
POSTERN = os.environ.get("POSTERN", str(HERE.parent.parent / "target/debug/postern"))
STAY = os.environ.get("STAY", "") not in ("", "0")
EXCEPTION = "EX-2026-0001"
PEOPLE = {"rachel": "asks", "alan": "approves", "sonia": "approves for security", "aiko": "audits"}
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
        self.log = open(folder / "serve.log", "wb")
        self.env = {key: value for key, value in os.environ.items() if not key.startswith("POSTERN")}
        self.process = subprocess.Popen(
            [POSTERN, "serve"], cwd=folder, env=self.env, stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT
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
        if "error" in answer:
            show("      ←", f"error {answer['error']['code']}: {answer['error']['message']}")
            return answer["error"]["message"], None
        result = answer["result"]
        text = result["content"][0]["text"]
        show("      ←", textwrap.fill(text, 90))
        return text, result.get("_meta", {}).get(REFUSAL)

    def admitted(self, tool, **arguments):
        text, refusal = self.call(tool, **arguments)
        expect(refusal is None and not text.startswith("Unknown"), f"{tool} was to be admitted", text)
        return text

    def refused(self, tool, reason, **arguments):
        text, refusal = self.call(tool, **arguments)
        expect(refusal is not None, f"{tool} was to be refused", text)
        expect(refusal["reason"] in reason, f"the reason was to be one of {reason}", refusal)
        return refusal


def fill_in(gateway, seconds):
    """The request: the digest of the tool that was read, and a window that can be watched to its end."""
    catalog = gateway.run("catalog", "list", "--output", "json", shown=False)
    done = subprocess.run(
        [sys.executable, "fill_in.py", str(seconds)], cwd=gateway.folder, input=catalog, capture_output=True, text=True
    )
    expect(done.returncode == 0, "fill_in.py failed", done.stderr)
    (gateway.folder / "my.yaml").write_text(done.stdout)
    end = re.search(r'^not_after: "(.+)Z"', done.stdout, re.MULTILINE).group(1)
    return datetime.datetime.fromisoformat(end + "+00:00")


def admitted_by_exception(gateway):
    """The newest decision in the journal that the exception admitted."""
    for line in reversed(gateway.run("evidence", "export", shown=False).splitlines()):
        payload = json.loads(json.loads(line).get("record", {}).get("payload", "{}"))
        if payload.get("kind") == "intent" and payload["verdict"].get("exception") == EXCEPTION:
            return payload["decision"]
    raise Failed(f"no intent under {EXCEPTION} is in the journal")


def play(gateway, seconds):
    step("The gateway runs")
    say(f"Agents connect to {gateway.agents}, people to {gateway.admin}. Behind the gateway is one tool server, "
        "`notes`, which postern started and which only postern can reach.")
    gateway.said(r"tools=4")
    agent = Agent(gateway.agents, gateway.key("agent", "notes-assistant", "agent"))
    for name, role in PEOPLE.items():
        gateway.key("person", f"{name}@example.org", name)
    say("Keys were made with `postern key create`: one for the agent notes-assistant, and for four people: "
        + ", ".join(f"{name} {role}" for name, role in PEOPLE.items()) + ".")

    step("The agent asks which tools there are")
    seen = agent.list()
    show("agent sees", "\n".join(seen))
    expect(seen == ["notes__delete_note", "notes__list_notes", "notes__read_note"], "three tools were to be seen", seen)
    say("The server has four. Its role reads; deleting is listed because it may be asked for. Exporting is not for "
        "this agent, so for it that tool does not exist:")
    text, refusal = agent.call("notes__export_notes", destination="archive")
    expect(refusal is None and text.startswith("Unknown tool"), "a hidden tool was to answer as an unknown one", text)

    step("A call that its role allows")
    agent.admitted("notes__read_note", id="n-1")

    step("A call that its role does not allow")
    refused = agent.refused("notes__delete_note", ["no_grant"], id="n-1")
    say("The model can read why, and is told not to retry. With the refusal comes the smallest request that would match:")
    show(" ", json.dumps(refused["request"]["record"]))

    step(f"Rachel asks for an exception: a pilot of {seconds} seconds and two calls")
    end = fill_in(gateway, seconds)
    gateway.run("exception", "submit", "my.yaml", by="rachel")
    say("She may not approve what she asked for:")
    gateway.run("exception", "approve", EXCEPTION, by="rachel", fails=True)

    step("Two people approve it: Alan, and Sonia for security")
    gateway.run("exception", "approve", EXCEPTION, by="alan")
    out = gateway.run("exception", "approve", EXCEPTION, by="sonia")
    expect("2 approvals" in out, "two approvals were to be counted", out)

    step("The same call is admitted now, under its controls")
    agent.admitted("notes__delete_note", id="n-1")
    admitted = admitted_by_exception(gateway)
    say("The exception names three notes. Any other one is refused, and the charter is kept by a guardrail besides:")
    agent.refused("notes__delete_note", ["soft_guardrail"], id="charter")

    step("The budget ends")
    agent.admitted("notes__delete_note", id="n-2")
    agent.refused("notes__delete_note", ["exception_exhausted"], id="n-3")
    say("Two calls were approved, two were made. The charge and the record of the intent are one transaction, so "
        "parallel calls cannot pass it either.")
    gateway.run("exception", "list", by="aiko")

    left = (end - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
    step("The exception ends by itself")
    say(f"Waiting {max(left, 0):.0f} s for its last second; nobody has to take anything back.")
    time.sleep(max(left, 0) + 0.5)
    agent.refused("notes__delete_note", ["no_grant"], id="n-3")
    out = gateway.run("exception", "show", EXCEPTION, "--output", "json", by="aiko", shown=False)
    say(f"Its state: {json.loads(out)['state']}. Its story stays in the journal.")

    step("The deletion of n-1 was refused at first. Why?")
    out = gateway.run("explain", refused["decision"], by="aiko")
    expect("deny" in out and "the same" in out, "the explanation was to say that it was refused, and be reproduced", out)

    step("And why was it admitted later?")
    out = gateway.run("explain", admitted, by="aiko")
    expect(EXCEPTION in out and "the same" in out, "the explanation was to name the exception and be reproduced", out)
    say("`judged anew` means: the decision was made again from its record and the policies of then.")

    step("Is the record whole?")
    say("Chain, checkpoints and signatures of the journal are held against every record; this needs no gateway.")
    gateway.run("evidence", "verify")


def stay(gateway):
    key = f"$(cat {gateway.folder}/agent.key)"
    print(f"""
It stays up until Ctrl-C. Try:
   an MCP client    {gateway.agents}
                    header  Authorization: Bearer {key}
   the commands     cd {gateway.folder}
                    export PATH="{pathlib.Path(POSTERN).resolve().parent}:$PATH" POSTERN_URL={gateway.admin}
                    postern --key-file aiko.key exception show {EXCEPTION}
                    postern evidence show
                    postern catalog list
                    postern freeze --reason "a drill"       then a call; then `postern unfreeze --reason over`
   the console      postern --key-file aiko.key console     prints a link for the browser
   the log          {gateway.folder}/serve.log
   your own rules   edit {gateway.folder}/policies, then `postern check` and `postern reload`
""", flush=True)
    try:
        gateway.process.wait()
        raise Failed("the gateway ended by itself; see its log")
    except KeyboardInterrupt:
        print("\nstopping")


def interrupt(*_):
    raise KeyboardInterrupt


def main():
    seconds = int(os.environ.get("WINDOW", "15"))
    if not os.access(POSTERN, os.X_OK):
        print(f"demo: `{POSTERN}` is not there; run `cargo build` first", file=sys.stderr)
        return 2
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-demo-"))
    gateway = None
    try:
        shutil.copytree(HERE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("data", "*.key", "__pycache__"))
        gateway = Gateway(folder)
        play(gateway, seconds)
        print(f"\nAll {steps} steps did what the text says.", flush=True)
        if STAY:
            stay(gateway)
        return 0
    except KeyboardInterrupt:
        print("\ndemo: interrupted", file=sys.stderr)
        return 130
    except Failed as failed:
        print(f"\ndemo: step {steps} FAILED: {failed}", file=sys.stderr)
        if gateway:
            print("last lines of the gateway's log:", file=sys.stderr)
            print("\n".join((folder / "serve.log").read_text(errors="replace").splitlines()[-15:]), file=sys.stderr)
        return 1
    finally:
        if gateway:
            gateway.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
