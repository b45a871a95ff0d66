"""Starting a gateway with one tool server named `fixture`, and talking to it without a library."""
import json, os, pathlib, shutil, socket, subprocess, sys, time, urllib.error, urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
POSTERN = os.environ.get("POSTERN", str(ROOT / "target/debug/postern"))
AGENT = "spiffe://example.org/agent/conformance"
REVISION = "2026-07-28"
META = {"io.modelcontextprotocol/protocolVersion": REVISION, "io.modelcontextprotocol/clientCapabilities": {}}


def port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(what, seconds, check):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if found := check():
                return found
        except (OSError, ValueError):
            pass
        time.sleep(0.05)
    raise RuntimeError(f"{what} was not there after {seconds} s")


def ask(url, key, method, **params):
    """One modern request; its answer, as a JSON-RPC message."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": META}}
    headers = {"authorization": "Bearer " + key, "content-type": "application/json", "mcp-method": method,
               "accept": "application/json, text/event-stream", "mcp-protocol-version": REVISION}
    if "name" in params:
        headers["mcp-name"] = params["name"]
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read().decode()
    except urllib.error.HTTPError as error:
        text = error.read().decode()
    data = [line[5:] for line in text.splitlines() if line.startswith("data:") and line[5:].strip()]
    return json.loads(data[-1] if data else text)


class Gateway:
    """A running gateway and a key for it."""

    def __init__(self, work, server, front=None):
        """`server`: the YAML of the tool server; `front`: the port of a shim whose Host and Origin are let through."""
        self.work, self.ports = pathlib.Path(work), {"agents": port(), "admin": port()}
        self.url = f"http://127.0.0.1:{self.ports['agents']}/mcp/fixture"
        self.config = self.work / "postern.yaml"
        hosts = [f"127.0.0.1:{front}", f"localhost:{front}"] if front else []
        self.config.write_text(f"""
listen: {{agents: "127.0.0.1:{self.ports['agents']}", admin: "127.0.0.1:{self.ports['admin']}",
         hosts: {json.dumps(hosts)}, origins: {json.dumps(["http://" + host for host in hosts])}}}
data: ./data
policies: ./policies
store: {{commit_timeout_ms: 5000}}
limits: {{rate_per_second: 1000, burst: 1000}}
servers:
  fixture: {server}
""")
        shutil.copytree(HERE / "policies", self.work / "policies")
        self.log = self.work / "postern.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([POSTERN, "--config", self.config, "serve"], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            admin = f"http://127.0.0.1:{self.ports['admin']}/livez"
            until("the gateway", 30, lambda: urllib.request.urlopen(admin, timeout=5).status == 200)
            self.key = json.loads(self.command("--output", "json", "key", "create", "--agent", AGENT, "--days", "1"))["key"]
        except BaseException:
            self.stop()
            sys.stderr.write(self.log.read_text(errors="replace")[-3000:])
            raise

    def command(self, *words):
        done = subprocess.run([POSTERN, "--config", self.config, *words], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"postern {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def tools(self):
        return [tool["name"] for tool in ask(self.url, self.key, "tools/list").get("result", {}).get("tools", [])]

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
