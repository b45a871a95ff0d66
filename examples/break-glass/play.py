#!/usr/bin/env python3
"""A break-glass credential for a maintenance window: two people, one incident, over with it, reviewed after."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from stage import expect, now, perform, say, step  # noqa: E402


def window(gateway, number, incident, hours):
    return gateway.record(
        "window.yaml", id=number, incident=incident, digest=gateway.digest("end_session"), not_before=now(),
        not_after=now(hours=hours),
    )


def play(gateway):
    step("A session blocks the invoices, and the agent may only look")
    gateway.said(r"tools=2")
    agent = gateway.agent("maintenance")
    gateway.people("rachel", "alan", "sonia", "olivia", "aiko")
    agent.admitted("db__list_sessions")
    agent.refused("db__end_session", ["no_grant"], session="report-7")

    step("The glass is broken for incident INC-77: Rachel asks, two other people approve within fifteen minutes")
    gateway.run("exception", "submit", window(gateway, "EX-2026-0200", "INC-77", 4), by="rachel")
    gateway.run("exception", "approve", "EX-2026-0200", by="alan")
    agent.refused("db__end_session", ["no_grant"], session="report-7")
    gateway.run("exception", "approve", "EX-2026-0200", by="sonia")
    agent.admitted("db__end_session", session="report-7")
    gateway.run("explain", gateway.decisions("EX-2026-0200")[0], by="aiko")

    step("The incident is closed, and with it the access, hours before its time")
    gateway.run("incident", "close", "INC-77", "--reason", "the lock is gone", by="olivia")
    agent.refused("db__end_session", ["no_grant"], session="app-1")

    step("Until somebody has reviewed it, its owner gets no other one")
    said = gateway.run("exception", "submit", window(gateway, "EX-2026-0201", "INC-78", 2), by="rachel", fails=True)
    expect("review" in said, "the open review was to be named", said)

    step("Aiko, who had no part in it, reviews it")
    gateway.run("exception", "review", "EX-2026-0200", "--reason", "one session was ended, as INC-77 needed; nothing was lost", by="aiko")
    say("Now a new one can be asked for, for two hours: together they stay within the four that this kind may last.")
    gateway.run("exception", "submit", window(gateway, "EX-2026-0201", "INC-78", 2), by="rachel")
    gateway.run("evidence", "verify")


if __name__ == "__main__":
    sys.exit(perform(HERE, play))
