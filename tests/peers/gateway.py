"""A gateway with its own folder, and keys for agents."""
import json, os, subprocess, urllib.request

from house import POSTERN, get, port, start, until

REVISION = "2026-07-28"
META = {"io.modelcontextprotocol/protocolVersion": REVISION, "io.modelcontextprotocol/clientCapabilities": {}}
PEOPLE = """
people:
  olga@example.org: {duties: [own]}
  omar@example.org: {duties: [request]}
"""


class Gateway:
    """One running gateway. `agents`: {id: role}; `roles`: {role: Cedar text}; `servers`: YAML of the map."""

    def __init__(self, work, servers, agents, roles, settings=""):
        self.work, self.agents, self.keys = work, port(), {}
        self.url = f"http://127.0.0.1:{self.agents}/mcp"
        self.admin = f"http://127.0.0.1:{port()}"
        self.config, self.log = work / "postern.yaml", work / "postern.log"
        self.config.write_text(f"""
listen: {{agents: "127.0.0.1:{self.agents}", admin: "{self.admin.removeprefix('http://')}"}}
policies: ./policies
store: {{commit_timeout_ms: 5000}}
limits: {{rate_per_second: 1000, burst: 1000}}
{settings}
servers:
{servers}
""")
        folder = work / "policies/roles"
        folder.mkdir(parents=True)
        lines = [f"  {name}: {{owner: olga@example.org, operator: omar@example.org, channel: board, roles: [{role}]}}"
                 for name, role in agents.items()]
        (work / "policies/agents.yaml").write_text("\n".join(["agents:", *lines, ""]))
        (work / "policies/people.yaml").write_text(PEOPLE)
        for role, text in roles.items():
            (folder / f"{role}.cedar").write_text(text)

    def start(self, agents, **environment):
        self.process = start([POSTERN, "--config", self.config, "serve"], self.log, env={**os.environ, **environment})
        until("the gateway", 60, lambda: get(self.admin + "/readyz"))
        for agent in agents:
            made = subprocess.run([POSTERN, "--config", self.config, "--output", "json", "key", "create", "--agent", agent, "--days", "1"],
                                  capture_output=True, text=True, timeout=60)
            if made.returncode:
                raise RuntimeError(f"key create: {made.stderr}")
            self.keys[agent] = json.loads(made.stdout)["key"]
        return self

    def tools(self, agent, server=None):
        """The names of all tools that an agent sees, asked without a library."""
        found, cursor = [], None
        while True:
            params = {"_meta": META, **({"cursor": cursor} if cursor else {})}
            body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": params}).encode()
            url = self.url + (f"/{server}" if server else "")
            request = urllib.request.Request(url, body, {
                "authorization": "Bearer " + self.keys[agent], "content-type": "application/json", "mcp-method": "tools/list",
                "accept": "application/json, text/event-stream", "mcp-protocol-version": REVISION})
            with urllib.request.urlopen(request, timeout=5) as answer:
                result = json.loads(answer.read())["result"]
            found += [tool["name"] for tool in result["tools"]]
            cursor = result.get("nextCursor")
            if not cursor:
                return found

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
