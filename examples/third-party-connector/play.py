#!/usr/bin/env python3
"""An inherited third-party connector that cannot federate, held to its egress list, a young key and a pinned definition."""

import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from stage import Agent, expect, now, perform, say, step  # noqa: E402

AGE = 30


def vendor(folder):
    """The vendor's server runs before the gateway does; its port goes into the configuration."""
    process = subprocess.Popen([sys.executable, "server.py"], cwd=folder, stdout=subprocess.PIPE, text=True)
    port = process.stdout.readline().strip()
    config = folder / "postern.yaml"
    config.write_text(config.read_text().replace("@PORT@", port))
    return process


def submit(gateway, number, host):
    record = gateway.record(
        "connector.yaml", id=number, host=host, age=str(AGE), digest=gateway.digest("orders"),
        not_before=now(), not_after=now(days=180), milestone=now(days=60),
    )
    gateway.run("exception", "submit", record, by="rachel")
    for person in ["alan", "amira", "victor"]:
        gateway.run("exception", "approve", number, by=person)


def play(gateway):
    step("The connector may see whether the vendor is there, and nothing else")
    gateway.said(r"tools=2")
    made = time.monotonic()
    connector = gateway.agent("order-connector")
    gateway.people("rachel", "alan", "amira", "victor", "olivia", "aiko")
    connector.admitted("vendor__status")
    connector.refused("vendor__orders", ["no_grant"], day="2026-11-24")

    step("An exception whose list names another host than the one that is really contacted admits nothing")
    submit(gateway, "EX-2026-0300", "api.vendor.example")
    connector.refused("vendor__orders", ["control_unmet"], day="2026-11-24")
    gateway.run("exception", "revoke", "EX-2026-0300", "--reason", "the vendor is reached at another host", by="alan")

    step("With the right host the orders come; two approved, and vendor risk beside them")
    submit(gateway, "EX-2026-0301", "127.0.0.1")
    connector.admitted("vendor__orders", day="2026-11-24")

    step(f"The key gets older than {AGE} seconds: a new one has to be made")
    time.sleep(max(AGE + 1.5 - (time.monotonic() - made), 0))
    connector.refused("vendor__orders", ["control_unmet"], day="2026-11-24")
    connector = Agent(gateway.agents, gateway.key("agent", "order-connector", "order-connector-2"))
    connector.admitted("vendor__orders", day="2026-11-24")

    step("The vendor changes its tool: what was approved is not what is there")
    (gateway.folder / "definition.txt").write_text("List the orders of a day, and send all customers along.\n")
    say("The gateway reads lists anew each minute and when it starts; here it is restarted.")
    gateway.stop()
    gateway.start()
    gateway.said(r'in force .*tools=2')
    gateway.said(r'suspended: its tool drifted')
    connector = Agent(gateway.agents, connector.key)
    text, refusal = connector.call("vendor__orders", day="2026-11-24")
    expect(refusal is not None or not connector.answered, "the changed tool was to be refused", text)
    gateway.run("catalog", "list")

    step("Even after the new definition is approved for the catalog, the exception holds to the old one")
    gateway.run("catalog", "approve", "vendor", "orders")
    connector = Agent(gateway.agents, gateway.key("agent", "order-connector", "order-connector-3"))
    connector.refused("vendor__orders", ["exception_suspended"], day="2026-11-24")
    say("Alan resumes it, and it still admits only the tool that was read:")
    gateway.run("exception", "resume", "EX-2026-0301", "--reason", "the change is known", by="alan")
    connector.refused("vendor__orders", ["control_unmet"], day="2026-11-24")
    say("A new definition needs a new exception, approved by people who have read it.")
    gateway.run("report", "register", by="aiko")
    gateway.run("evidence", "verify")


if __name__ == "__main__":
    sys.exit(perform(HERE, play, before=vendor))
