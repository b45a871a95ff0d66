#!/usr/bin/env python3
"""A tool server with a few notes: MCP over stdio, both eras, standard library only.

Legacy (2025-11-25 and two before): `initialize`, then calls. Modern (2026-07-28): `server/discover`, and every
request carries its protocol version in `_meta`. Notes live in memory; nothing outside the process changes.
"""

import json
import sys

MODERN = "2026-07-28"
LEGACY = ["2025-11-25", "2025-06-18", "2025-03-26"]
INFO = {"name": "notes", "version": "1.0.0"}
CAPABILITIES = {"tools": {}}
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"

NOTES = {
    "charter": {"title": "Charter", "text": "Why this team exists."},
    "n-1": {"title": "Shopping", "text": "Milk, bread, coffee."},
    "n-2": {"title": "Old plan", "text": "Ship in March."},
    "n-3": {"title": "Older plan", "text": "Ship in January."},
}


def tool(name, description, properties, required, read_only):
    return {
        "name": name,
        "description": description,
        "inputSchema": {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        },
        "annotations": {"readOnlyHint": read_only, "destructiveHint": name == "delete_note"},
    }


ID = {"id": {"type": "string", "description": "The id of a note, as list_notes gives it.", "maxLength": 64}}
TOOLS = [
    tool("list_notes", "List the ids and titles of all notes.", {}, [], True),
    tool("read_note", "Read one note.", ID, ["id"], True),
    tool("delete_note", "Delete one note for good.", ID, ["id"], False),
    tool(
        "export_notes",
        "Export all notes.",
        {"destination": {"type": "string", "enum": ["archive", "public"], "description": "Where they go."}},
        ["destination"],
        False,
    ),
]


class Refused(Exception):
    """A JSON-RPC error."""

    def __init__(self, code, message, data=None):
        super().__init__(message)
        self.error = {"code": code, "message": message}
        if data is not None:
            self.error["data"] = data


def text(value, is_error=False):
    body = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return {"content": [{"type": "text", "text": body}], "isError": is_error}


def checked(name, arguments):
    """The arguments, or a sentence that says what is wrong with them."""
    schema = next(t["inputSchema"] for t in TOOLS if t["name"] == name)
    unknown = sorted(set(arguments) - set(schema["properties"]))
    missing = [key for key in schema["required"] if key not in arguments]
    if unknown or missing:
        return f"unknown arguments: {unknown}, missing arguments: {missing}"
    for key, value in arguments.items():
        allowed = schema["properties"][key].get("enum")
        if not isinstance(value, str) or (allowed and value not in allowed):
            return f"{key} must be a string" + (f", one of {allowed}" if allowed else "")
    return None


def call(name, arguments):
    if name not in {t["name"] for t in TOOLS}:
        raise Refused(-32602, f"Unknown tool: {name}")
    if not isinstance(arguments, dict):
        raise Refused(-32602, "arguments must be an object")
    wrong = checked(name, arguments)
    if wrong:
        return text(wrong, is_error=True)
    if name == "list_notes":
        return text([{"id": key, "title": note["title"]} for key, note in NOTES.items()])
    if name == "export_notes":
        return text(f"{len(NOTES)} notes exported to {arguments['destination']}.")
    note = NOTES.get(arguments["id"])
    if note is None:
        return text(f"There is no note {arguments['id']!r}.", is_error=True)
    if name == "delete_note":
        del NOTES[arguments["id"]]
        return text(f"Deleted {arguments['id']}.")
    return text(note)


def initialize(params):
    asked = params.get("protocolVersion")
    version = asked if asked in LEGACY else LEGACY[0]
    return {"protocolVersion": version, "capabilities": CAPABILITIES, "serverInfo": INFO}


def modern(method, params):
    """A request of the modern era; every result says its type, lists say how long they keep."""
    version = params["_meta"][VERSION_KEY]
    if version != MODERN:
        raise Refused(-32022, "Unsupported protocol version", {"supported": [MODERN], "requested": version})
    keep = {"ttlMs": 60000, "cacheScope": "public"}
    if method == "server/discover":
        result = {"supportedVersions": [MODERN], "capabilities": CAPABILITIES, **keep}
    elif method == "tools/list":
        result = {"tools": TOOLS, **keep}
    elif method == "tools/call":
        result = call(params.get("name"), params.get("arguments", {}))
    else:
        raise Refused(-32601, f"Method not found: {method}")
    return {"resultType": "complete", **result, "_meta": {"io.modelcontextprotocol/serverInfo": INFO}}


def legacy(method, params):
    if method == "initialize":
        return initialize(params)
    if method == "ping":
        return {}
    if method == "tools/list":
        return {"tools": TOOLS}
    if method == "tools/call":
        return call(params.get("name"), params.get("arguments", {}))
    raise Refused(-32601, f"Method not found: {method}")


def answer(message):
    """The answer to one message, or None where none is due."""
    if not isinstance(message, dict) or not isinstance(message.get("method"), str):
        return None
    if "id" not in message:
        return None  # a notification
    params = message.get("params", {})
    try:
        if not isinstance(params, dict):
            raise Refused(-32602, "params must be an object")
        meta = params.get("_meta")
        is_modern = isinstance(meta, dict) and VERSION_KEY in meta
        if message["method"] == "server/discover" and not is_modern:
            raise Refused(-32602, f"_meta must hold {VERSION_KEY}")
        result = (modern if is_modern else legacy)(message["method"], params)
        return {"jsonrpc": "2.0", "id": message["id"], "result": result}
    except Refused as refused:
        return {"jsonrpc": "2.0", "id": message["id"], "error": refused.error}


def main():
    for line in sys.stdin.buffer:
        try:
            message = json.loads(line)
        except ValueError:
            reply = {"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "Parse error"}}
        else:
            reply = answer(message)
        if reply is not None:
            sys.stdout.write(json.dumps(reply, ensure_ascii=False) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
