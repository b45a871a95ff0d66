#!/usr/bin/env python3
"""The deployment's tools: a release is begun, its databases are migrated, traffic moves over, and it is finished."""

from toolserver import ToolServer

server = ToolServer("deploy")
release = {"version": None, "migrated": [], "traffic": 0}


@server.tool("Begin the release of a version.", version={"type": "string", "maxLength": 32})
def begin(version):
    release.update(version=version, migrated=[], traffic=0)
    return f"The release of {version} has begun."


@server.tool("Migrate a database to the version that is being released.", database={"type": "string", "maxLength": 64})
def migrate(database):
    release["migrated"].append(database)
    return f"{database} is at {release['version']}."


@server.tool("Move this share of the traffic to the new version.", percent={"type": "integer", "minimum": 0, "maximum": 100})
def shift_traffic(percent):
    if percent > 0 and "orders" not in release["migrated"]:
        raise ValueError("orders is not migrated; the new version cannot take traffic")
    release["traffic"] = percent
    return f"{percent} % of the traffic is on {release['version']}."


server.run()
