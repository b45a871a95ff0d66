"""A small tool server: MCP of revision 2026-07-28 over stdio or HTTP, standard library only.

    server = ToolServer("deploy")

    @server.tool("Start a release.", version={"type": "string", "maxLength": 32})
    def start_release(version):
        return f"Release {version} has begun."

    server.run()            # stdio; `server.run("http")` listens on 127.0.0.1 and prints its port

State lives in the process; nothing outside of it changes.
"""

import http.server
import json
import sys

REVISION = "2026-07-28"
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"


class Refused(Exception):
    """A JSON-RPC error."""

    def __init__(self, code, message, data=None):
        super().__init__(message)
        self.error = {"code": code, "message": message, **({"data": data} if data is not None else {})}


class ToolServer:
    """Tools by name, each a function of its named arguments; all of them are required."""

    def __init__(self, name, version="1.0.0"):
        self.info = {"name": name, "version": version}
        self.tools, self.functions = [], {}
        self.listed = lambda: self.tools

    def tool(self, description, **properties):
        def add(function):
            schema = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
            self.tools.append({"name": function.__name__, "description": description, "inputSchema": schema})
            self.functions[function.__name__] = function
            return function

        return add

    def answer(self, message):
        """The answer to one message, or None where none is due."""
        if not isinstance(message, dict) or "id" not in message:
            return None
        try:
            result = self.result(message.get("method"), message.get("params") or {})
            return {"jsonrpc": "2.0", "id": message["id"], "result": result}
        except Refused as refused:
            return {"jsonrpc": "2.0", "id": message["id"], "error": refused.error}

    def result(self, method, params):
        version = (params.get("_meta") or {}).get(VERSION_KEY)
        if version != REVISION:
            raise Refused(-32022, "Unsupported protocol version", {"supported": [REVISION], "requested": version})
        keep = {"ttlMs": 1000, "cacheScope": "public"}
        if method == "server/discover":
            result = {"supportedVersions": [REVISION], "capabilities": {"tools": {}}, **keep}
        elif method == "tools/list":
            result = {"tools": self.listed(), **keep}
        elif method == "tools/call":
            result = self.call(params.get("name"), params.get("arguments") or {})
        else:
            raise Refused(-32601, f"Method not found: {method}")
        return {"resultType": "complete", **result, "_meta": {"io.modelcontextprotocol/serverInfo": self.info}}

    def call(self, name, arguments):
        if name not in self.functions:
            raise Refused(-32602, f"Unknown tool: {name}")
        try:
            said, failed = self.functions[name](**arguments), False
        except (LookupError, TypeError, ValueError) as error:
            said, failed = str(error), True
        text = said if isinstance(said, str) else json.dumps(said)
        return {"content": [{"type": "text", "text": text}], "isError": failed}

    def run(self, transport="stdio"):
        if transport == "http":
            return self.listen()
        for line in sys.stdin.buffer:
            reply = self.answer(json.loads(line))
            if reply is not None:
                print(json.dumps(reply), flush=True)

    def listen(self):
        tools = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                reply = tools.answer(message)
                body = json.dumps(reply).encode() if reply else b""
                self.send_response(200 if reply else 202)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        print(served.server_port, flush=True)
        served.serve_forever()
