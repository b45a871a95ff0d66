#!/usr/bin/env python3
"""An integration is exempt from a new network rule while its owner remedies a dependency, with milestones."""

import pathlib
import shutil
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from stage import expect, now, perform, say, show, step  # noqa: E402

ID = "EX-2026-0100"


def state(gateway):
    shown = gateway.json("exception", "show", ID, by="aiko")
    return shown["state"], shown["reason"]


def play(gateway):
    step("An integration fetches rates from an old host of a partner")
    gateway.said(r"tools=1")
    sync = gateway.agent("billing-sync")
    gateway.people("rachel", "alan", "nina", "olivia", "aiko")
    sync.admitted("net__fetch_rates", host="legacy.partner.example")

    step("A new rule comes: partners are reached through the API gateway only")
    shutil.copytree(gateway.folder / "rule", gateway.folder / "policies/guardrails")
    gateway.run("reload")
    sync.refused("net__fetch_rates", ["soft_guardrail"], host="legacy.partner.example")
    say("The role still allows it; the guardrail forbids it. Only an exemption that names the rule lifts it.")

    step("Rachel asks for an exemption with two milestones; the rule's owner is one of the two who approve it")
    milestone = time.monotonic() + 20
    file = gateway.record(
        "exemption.yaml", digest=gateway.digest("fetch_rates"), not_before=now(), not_after=now(days=14),
        milestone=now(seconds=20),
    )
    gateway.run("exception", "submit", file, by="rachel")
    gateway.run("exception", "approve", ID, by="alan")
    expect(state(gateway)[0] == "pending_approval", "one approval was not to be enough", state(gateway))
    gateway.run("exception", "approve", ID, by="nina")

    step("The old host is reached again, and no other one")
    sync.admitted("net__fetch_rates", host="legacy.partner.example")
    sync.refused("net__fetch_rates", ["soft_guardrail", "scope_mismatch"], host="elsewhere.example")
    say("What the rule allows never touches the exemption or its budget:")
    sync.admitted("net__fetch_rates", host="api.partner.example")
    used = gateway.json("exception", "show", ID, by="aiko")["used"]
    expect(used == 1, "one call was to be charged", used)

    step("The first milestone passes and nothing was reported: the exemption is held")
    time.sleep(max(milestone - time.monotonic(), 0) + 1)
    sync.refused("net__fetch_rates", ["exception_suspended", "soft_guardrail"], host="legacy.partner.example")
    show("state", " ".join(filter(None, state(gateway))))

    step("Its owner reports the milestone; the exemption works again until the next one")
    gateway.run(
        "exception", "milestone", ID, "version 3 in the test environment", "--reason", "DEP-12 is deployed to test", by="olivia"
    )
    sync.admitted("net__fetch_rates", host="legacy.partner.example")
    gateway.run("exception", "list", by="aiko")
    gateway.run("evidence", "verify")


if __name__ == "__main__":
    sys.exit(perform(HERE, play))
