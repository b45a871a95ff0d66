#!/usr/bin/env python3
"""A release is under way when a change of policy breaks its path; a temporary elevation lets it finish, and no more."""

import json
import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from stage import expect, perform, say, show, step  # noqa: E402

WHY = "Release 4.2 is half done; orders must be migrated before traffic can move, and the database team is asleep."


def play(gateway):
    step("A release is under way")
    gateway.said(r"tools=3")
    bot = gateway.agent("release-bot")
    gateway.people("rachel", "alan", "aiko")
    bot.admitted("deploy__begin", version="4.2")

    step("A change of policy takes migrations from the role")
    shutil.copy(gateway.folder / "change/releaser.cedar", gateway.folder / "policies/roles/releaser.cedar")
    gateway.run("reload")
    refusal = bot.refused("deploy__migrate", ["no_grant"], database="orders")
    say("Half a release is worse than none: without the migration the new version takes no traffic.")
    text, refused = bot.call("deploy__shift_traffic", percent=10)
    expect(refused is None and "not migrated" in text, "traffic was not to move", text)

    step("Rachel makes a request of the refusal: this bot, this database, until the deployment is finished")
    made = gateway.json(
        "exception", "request", "--from-decision", refusal["decision"], "--kind", "temporary_elevation",
        "--ends-on", "deployment.finished", "--calls", "3", "--ticket", "CHG-4711", "--team", "release",
        "--rationale", WHY, "--constraint", "The database team cannot be reached before the morning.",
        "--objective", "Only the database team changes schemas.", "--risk", "A migration that cannot be undone.",
        "--residual-risk", "medium", "--submit", by="rachel",
    )
    show("$", f"postern --key-file rachel.key {refusal['request']['command'].removeprefix('postern ')} … --submit")
    exception = made["id"]
    record = json.dumps(gateway.json("exception", "show", exception, by="aiko")["spec"]["access"]["arguments"])
    show(" ", f"{exception} waits for approval; its bounds are {record}")

    step("Alan approves it; the release goes on")
    gateway.run("exception", "approve", exception, by="alan")
    bot.admitted("deploy__migrate", database="orders")
    bot.admitted("deploy__shift_traffic", percent=100)
    say("The elevation is for the database that the release needs. Any other one stays closed:")
    bot.refused("deploy__migrate", ["scope_mismatch"], database="customers")

    step("The pipeline reports that the deployment is finished: the elevation ends, hours before its time")
    gateway.run("event", "report", "deployment.finished", "--reason", "release 4.2 is out", by="rachel")
    bot.refused("deploy__migrate", ["no_grant"], database="orders")
    state = gateway.json("exception", "show", exception, by="aiko")["state"]
    expect(state == "finished", "the exception was to be finished", state)

    step("What it was used for is on record")
    used = gateway.decisions(exception)
    expect(len(used) == 1, "one call was to be admitted under it", used)
    gateway.run("explain", used[0], by="aiko")
    gateway.run("evidence", "verify")


if __name__ == "__main__":
    sys.exit(perform(HERE, play))
