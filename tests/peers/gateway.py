"""A gateway with its own folder, and keys for agents."""
import json, os, subprocess, urllib.error, urllib.request

from house import POSTERN, get, port, start, until

REVISION = "2026-07-28"
META = {"io.modelcontextprotocol/protocolVersion": REVISION, "io.modelcontextprotocol/clientCapabilities": {}}
PEOPLE = """
people:
  olga@example.org: {duties: [own]}
  omar@example.org: {duties: [request]}
"""


class Gateway:
    """One running gateway. `agents`: {id: role}; `roles`: {role: Cedar text}; `servers`: YAML of the map; `people`: a file."""

    def __init__(self, work, servers, agents, roles, settings="", people=PEOPLE):
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
        (work / "policies/people.yaml").write_text(people)
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

    def person(self, name):
        """A key for a person, in a file."""
        made = json.loads(self.run("key", "create", "--person", name, "--days", "1").stdout)
        file = self.work / f"{name}.key"
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(made["key"])

    def run(self, *words, by=None, check=True):
        """A command of a person, or of the administrator; how it ended and what it said."""
        key = ["--key-file", str(self.work / f"{by}.key")] if by else []
        done = subprocess.run([POSTERN, "--config", self.config, "--output", "json", *key, *words], capture_output=True, text=True, timeout=90)
        if check and done.returncode:
            raise RuntimeError(f"postern {' '.join(words)}: {done.stdout}{done.stderr}")
        return done

    def call(self, agent, tool, arguments, **meta):
        """The answer to a call, without a library."""
        params = {"name": tool, "arguments": arguments, "_meta": {**META, **meta}}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
        request = urllib.request.Request(self.url, body, {
            "authorization": "Bearer " + self.keys[agent], "content-type": "application/json", "mcp-method": "tools/call", "mcp-name": tool,
            "accept": "application/json, text/event-stream", "mcp-protocol-version": REVISION})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return json.loads(error.read())

    def journal(self):
        """All records, in order, each with its place."""
        found = []
        for line in self.run("evidence", "export").stdout.splitlines():
            row = json.loads(line).get("record", {})
            if "payload" in row:
                found.append((row["seq"], json.loads(row["payload"])))
        return found

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
