"""The tool servers that stand behind the gateway, and what the clients call there."""
import json, os, sqlite3, subprocess

from house import MODULES, NODE, listening, port, start, until, venv

OFFICIAL = MODULES / "@modelcontextprotocol"
EVERYTHING = str(OFFICIAL / "server-everything/dist/index.js")


class Servers:
    """The servers over HTTP, which run by themselves, and those that the gateway spawns."""

    def __init__(self, work):
        self.work, self.files, self.repo = work, work / "files", work / "repo"
        self.ports = {"streamableHttp": port(), "sse": port()}
        self.files.mkdir()
        (self.files / "hello.txt").write_text("hello from a file\n")
        git = ["git", "-C", str(self.repo), "-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", "init", "-q", str(self.repo)], check=True)
        (self.repo / "a.txt").write_text("a\n")
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-qm", "first"], check=True)
        with sqlite3.connect(work / "lakes.db") as lakes:
            lakes.execute("create table lakes (name text)")
            lakes.execute("insert into lakes values ('Baikal')")

    def start(self):
        for mode, number in self.ports.items():
            start([NODE, EVERYTHING, mode], self.work / f"everything-{mode}.log", env={**os.environ, "PORT": str(number)})

    def wait(self):
        for mode, number in self.ports.items():
            until(f"server-everything ({mode})", 30, lambda: listening(number))

    def yaml(self):
        def stdio(command, *args, **env):
            return {"stdio": {"command": command, "args": list(args), "pass_env": ["PATH"], "env": env}, "trust": "first_use"}

        def http(mode, path):
            return {"http": {"url": f"http://127.0.0.1:{self.ports[mode]}/{path}"}, "allow_private": True, "trust": "first_use"}

        servers = {
            "time": stdio(venv("modern", "mcp-server-time"), "--local-timezone", "UTC"),
            "git": stdio(venv("modern", "mcp-server-git"), "--repository", str(self.repo)),
            "fetch": stdio(venv("modern", "mcp-server-fetch")),
            # An old server on mcp 1.x.
            "sqlite": stdio(venv("legacy", "mcp-server-sqlite"), "--db-path", str(self.work / "lakes.db")),
            "fs": stdio(NODE, str(OFFICIAL / "server-filesystem/dist/index.js"), str(self.files)),
            "memory": stdio(NODE, str(OFFICIAL / "server-memory/dist/index.js"), MEMORY_FILE_PATH=str(self.work / "memory.jsonl")),
            "everything": http("streamableHttp", "mcp"),
            # HTTP with server-sent events of 2024-11-05.
            "sse": http("sse", "sse"),
        }
        return "\n".join(f"  {name}: {json.dumps(one)}" for name, one in servers.items())

    def plan(self):
        """One step for each server, and one that is refused."""
        lake = {"entities": [{"name": "Como", "entityType": "lake", "observations": ["deep"]}]}
        hello = str(self.files / "hello.txt")
        return [
            step("time", "time__get_current_time", {"timezone": "UTC"}, "UTC"),
            step("git", "git__git_status", {"repo_path": str(self.repo)}, "nothing to commit"),
            step("fetch", "fetch__fetch", {"url": "http://127.0.0.1:9/"}, FETCH_REFUSES, error=True),
            step("sqlite (mcp<2)", "sqlite__read_query", {"query": "select name from lakes"}, "Baikal"),
            step("fs", "fs__read_text_file", {"path": hello}, "hello from a file"),
            step("memory", "memory__create_entities", lake, ""),
            step("memory: read", "memory__read_graph", {}, "Como"),
            step("everything", "everything__echo", {"message": "knock knock"}, "knock knock"),
            step("everything sse", "sse__echo", {"message": "who is there"}, "who is there"),
            step("refused", "fs__write_file", {"path": str(self.files / "no.txt"), "content": "x"}, "dec_", error=True),
        ]


# It fetches nothing from loopback addresses, and says so.
FETCH_REFUSES = "127.0.0.1"


def step(name, tool, arguments, expect, error=False):
    return {"name": name, "tool": tool, "arguments": arguments, "expect": expect, "error": error}


READER = """
@id("reader")
permit (principal in Role::"reader",
        action in [Action::"time/get_current_time", Action::"git/git_status", Action::"fetch/fetch",
                   Action::"sqlite/read_query", Action::"fs/read_text_file", Action::"memory/create_entities",
                   Action::"memory/read_graph", Action::"everything/echo", Action::"sse/echo"], resource);

@id("reader-gets")
permit (principal in Role::"reader", action == Action::"get", resource == Prompt::"everything/args-prompt");

@id("reader-reads")
permit (principal in Role::"reader", action == Action::"read", resource in Server::"everything");

@id("reader-may-ask")
permit (principal in Role::"reader", action == Action::"request", resource == Tool::"fs/write_file");
"""
