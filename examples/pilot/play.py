#!/usr/bin/env python3
"""Two agents have broader tools for a while, watched; what they really used becomes their role, and the pilot ends."""

import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from stage import expect, now, perform, say, show, step  # noqa: E402

IDS = ["EX-2026-07-crm", "EX-2026-07-mail"]


def play(gateway):
    step("Two support agents read cases; refunds and letters are for people")
    gateway.said(r"tools=3")
    first, second = gateway.agent("support-1"), gateway.agent("support-2")
    gateway.people("rachel", "alan", "sonia", "olivia", "aiko")
    first.admitted("crm__read_case", case="c-1")
    first.refused("crm__refund", ["no_grant"], case="c-1", region="eu", amount=20)

    step("A pilot: one owner, a cohort of two, two exceptions on two servers, and a role that is to take over")
    times = {"not_before": now(), "not_after": now(days=28)}
    gateway.run("pilot", "submit", gateway.record("pilot.yaml", **times), by="rachel")
    for file, tool, number in [("refund.yaml", "refund", IDS[0]), ("letters.yaml", "write", IDS[1])]:
        record = gateway.record(file, digest=gateway.digest(tool), **times)
        gateway.run("exception", "submit", record, by="rachel")
        for person in ["alan", "sonia"]:
            gateway.run("exception", "approve", number, by=person, shown=False)
    say("Alan approved both, and Sonia for security.")
    gateway.run("pilot", "show", "PI-2026-07", by="aiko")

    step("The agents work, each call within its bounds and on record")
    for agent, case, region, amount in [(first, "c-1", "eu", 20), (second, "c-3", "eu", 45), (second, "c-5", "eu", 10)]:
        agent.admitted("crm__refund", case=case, region=region, amount=amount)
        agent.admitted("mail__write", case=case, template="refund")
    first.refused("crm__refund", ["scope_mismatch"], case="c-1", region="eu", amount=5000)

    step("What would break without it?")
    gateway.run("removal", "report", IDS[0], by="sonia")

    step("The role is drafted from what was really used")
    draft = gateway.json("graduate", "PI-2026-07", "--role", "refunder", by="sonia")
    cedar = draft["cedar"]
    show(" ", cedar)
    expect("amount" in cedar and "45" in cedar and "5000" not in cedar, "the bounds were to be those of use", cedar)
    say("The refunds were from 10 to 45 in the EU, so that is the role: less than the pilot allowed.")

    step("People merge it and give the role to the cohort")
    say("Which cases there were is chance, so the reviewer takes that line out; the rest stays.")
    cedar = re.sub(r'\n *\["c-1"[^\n]*', "", cedar)
    gateway.write("policies/roles/refunder.cedar", cedar)
    agents = gateway.folder / "policies/agents.yaml"
    agents.write_text(agents.read_text().replace("roles: [support]", "roles: [support, refunder]"))
    gateway.run("check")
    gateway.run("reload")

    step("The exceptions end as graduated, since nothing that was used is lost")
    for number in IDS:
        gateway.run("exception", "graduate", number, "--reason", "the role refunder took over", by="olivia")
    gateway.run("pilot", "end", "PI-2026-07", "--reason", "the role refunder took over", by="olivia")
    first.admitted("crm__refund", case="c-7", region="eu", amount=30)
    out = gateway.run("evidence", "export", shown=False)
    last = [line for line in out.splitlines() if '\\"kind\\":\\"intent\\"' in line][-1]
    expect(re.search(r'basis\\":\\"rbac', last), "the last refund was to be allowed by the role", last[:400])
    say("That refund was allowed by the role; no exception was charged.")
    gateway.run("evidence", "verify")


if __name__ == "__main__":
    sys.exit(perform(HERE, play))
