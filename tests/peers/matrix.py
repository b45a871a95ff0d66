"""Clients times servers: each client lists, calls one tool of each server, and is refused one call."""
import json, os, subprocess
from concurrent.futures import ThreadPoolExecutor

from house import HERE, MODULES, NODE, NODE_22, POSTERN, note, venv

CLIENTS = HERE / "clients"
REMOTE = str(MODULES / "mcp-remote/dist/proxy.js")


def clients(url, key, base):
    """(name, command, environment) of every client."""
    modern, agents = venv("modern"), venv("agents")
    remote = json.dumps([NODE_22, REMOTE, url, "--allow-http", "--transport", "http-only", "--header", f"Authorization: Bearer {key}"])
    return [
        ("mcp 2.3.0 auto", [modern, "mcp_python.py"], {"MODE": "auto", "OTLP_HTTP": base}),
        ("mcp 2.3.0 legacy", [modern, "mcp_python.py"], {"MODE": "legacy"}),
        ("langchain-mcp-adapters", [venv("legacy"), "langchain.py"], {}),
        ("openai-agents 0.24.0", [agents, "openai_agents.py"], {}),
        ("pydantic-ai-slim 2.68.0", [agents, "pydantic_ai_client.py"], {}),
        ("fastmcp 4.1.6", [agents, "fastmcp_client.py"], {}),
        ("npm sdk 1.32.2", [NODE, "sdk.mjs"], {}),
        ("npm client 2.4.0 auto", [NODE, "client.mjs"], {}),
        ("inspector 2.12.0 modern", [NODE_22, "inspector.mjs"], {"ERA": "modern"}),
        ("inspector 2.12.0 legacy", [NODE_22, "inspector.mjs"], {"ERA": "legacy"}),
        # It stands before the gateway and hands on what a client on stdio says, in either era.
        ("mcp-remote 0.15.1 auto", [modern, "mcp_stdio.py"], {"MODE": "auto", "COMMAND": remote}),
        ("mcp-remote 0.15.1 legacy", [modern, "mcp_stdio.py"], {"MODE": "legacy", "COMMAND": remote}),
        # Clients that spawn their servers, through `postern stdio`.
        ("stdio: mcp 2.3.0 auto", [modern, "mcp_stdio.py"], {"MODE": "auto", "POSTERN": POSTERN}),
        ("stdio: mcp 2.3.0 legacy", [modern, "mcp_stdio.py"], {"MODE": "legacy", "POSTERN": POSTERN}),
        ("stdio: inspector modern", [NODE_22, "inspector.mjs"], {"ERA": "modern", "POSTERN": POSTERN}),
        ("stdio: inspector legacy", [NODE_22, "inspector.mjs"], {"ERA": "legacy", "POSTERN": POSTERN}),
    ]


def run(command, seconds=120, **environment):
    """The JSON of the last line that a client prints; `failed`, if it does not get there."""
    clean = {name: value for name, value in os.environ.items() if name not in ("POSTERN", "COMMAND", "ERA")}
    try:
        done = subprocess.run([command[0], str(CLIENTS / command[1])], env={**clean, **environment}, capture_output=True, text=True,
                              timeout=seconds, cwd=HERE)
    except subprocess.TimeoutExpired as late:
        told = late.stderr or late.stdout or b""
        return {"failed": f"not done after {seconds} s; {told[-1500:] if isinstance(told, str) else told.decode(errors='replace')[-1500:]}"}
    try:
        if done.returncode == 0:
            return json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        pass
    return {"failed": (done.stderr or done.stdout)[-1500:] or "no output"}


def play(rows, gateway, agent, plan, collector):
    """All clients, three at a time; then one call whose trace is looked for in the collector."""
    url, key = gateway.url, gateway.keys[agent]
    every = clients(url, key, collector.base)
    with ThreadPoolExecutor(3) as pool:
        waiting = [(name, pool.submit(run, command, URL=url, KEY=key, PLAN=json.dumps(plan), **more)) for name, command, more in every]
        for name, found in waiting:
            judge(rows, name, found.result(), plan)
    name, command, more = next(one for one in every if "OTLP_HTTP" in one[2])
    good, seen = False, []
    # Spans of a call that no exception demands are told once; a collector that is late by a second loses them.
    for _ in range(3):
        out = run(command, URL=url, KEY=key, PLAN=json.dumps(plan[:1]), **more)
        good, seen = collector.joined(out.get("traces", {}).get(plan[0]["name"]))
        if good:
            break
    rows.add(name, "trace in Phoenix", good, seen)


def judge(rows, name, out, plan):
    """One row for the list, one for each step, one for each feature beside tools."""
    if "failed" in out:
        note(f"--- {name}\n{out['failed']}")
        rows.add(name, "session", False, out["failed"].strip().splitlines()[-1])
        return
    listed = sorted(out["tools"])
    rows.add(name, "tools/list", listed == sorted(step["tool"] for step in plan), listed)
    for step in plan:
        got = out["calls"].get(step["name"], {})
        # The LangChain adapter hands a tool's error to the model as text and does not say that it is one.
        good = step["expect"] in got.get("text", "") and got.get("error", False) in (step["error"], None)
        rows.add(name, step["name"], good, json.dumps(got))
    for feature, one in out.get("offers", {}).items():
        rows.add(name, feature, one["ok"], one.get("told", "not as expected"))
