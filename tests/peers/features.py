"""Everything beside plain tools, against server-everything in both of its transports: one row for each feature and client."""
from concurrent.futures import ThreadPoolExecutor

import matrix
from house import NODE, note, venv

ROLE = """
@id("features-tools")
permit (principal in Role::"features", action in Action::"call", resource);

@id("features-offers")
permit (principal in Role::"features", action in [Action::"get", Action::"read"], resource);

@id("features-input")
permit (principal in Role::"features",
        action in [Action::"elicit", Action::"elicit_url", Action::"sample", Action::"roots"], resource);
"""
CLIENTS = [
    ("mcp 2.3.0 auto", [venv("modern"), "features.py"], {"MODE": "auto"}),
    ("mcp 2.3.0 legacy", [venv("modern"), "features.py"], {"MODE": "legacy"}),
    ("npm sdk 1.32.2", [NODE, "features_sdk.mjs"], {"MODE": "legacy"}),
    ("npm client 2.4.0 auto", [NODE, "features_client.mjs"], {"MODE": "auto"}),
]
# On Streamable HTTP this server logs on the standing stream of its session; what comes there while one call is in flight is
# that call's.
# One for each client: all calls of a principal to an old server share a session there, and so what they switch on in it.
AGENTS = [f"spiffe://example.org/agent/features-{number}" for number in range(len(CLIENTS))]
GAPS = {}


def play(rows, gateway):
    with ThreadPoolExecutor(3) as pool:
        waiting = [
            (name, server, pool.submit(matrix.run, command, 120, URL=gateway.url, KEY=gateway.keys[agent], SERVER=server, **more))
            for server in ("everything", "sse") for agent, (name, command, more) in zip(AGENTS, CLIENTS)]
        for name, server, found in waiting:
            out = found.result()
            if "failed" in out:
                note(f"--- {name}, {server}\n{out['failed']}")
                rows.add(name, f"{server}: features", False, out["failed"].strip().splitlines()[-1])
                continue
            for feature, one in out.items():
                if reason := GAPS.get((server, feature)):
                    rows.gap(name, f"{server}: {feature}", one["ok"], reason)
                else:
                    rows.add(name, f"{server}: {feature}", one["ok"], one.get("told", "not as expected"))
