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
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from stage import POSTERN, Agent, Failed, expect, perform, say, show, step  # noqa: E402

EXCEPTION = "EX-2026-0001"
PEOPLE = {"rachel": "asks", "alan": "approves", "sonia": "approves for security", "aiko": "audits"}


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
    # The gateway holds the policies' folder against what was approved each second: nothing there may end it.
    time.sleep(2.5)
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


def main():
    seconds = int(os.environ.get("WINDOW", "15"))
    return perform(HERE, lambda gateway: play(gateway, seconds), stay)


if __name__ == "__main__":
    sys.exit(main())
