# A tool server on stdio that acts as it is told: argv[1] is its era and manners, the tool's name what it does.
import json, os, subprocess, sys, time

MODE = sys.argv[1]
MODERN = "modern" in MODE
TOOLS = ["echo"]
LISTEN = None
HELD = []


def note(line):
    with open("journal", "a") as journal:
        journal.write(line + "\n")


def out(message):
    sys.stdout.write((message if isinstance(message, str) else json.dumps(message)) + "\n")
    sys.stdout.flush()


def answer(id, result):
    out({"jsonrpc": "2.0", "id": id, "result": dict(result, **({"resultType": "complete"} if MODERN else {}))})


def say(id, text):
    answer(id, {"content": [{"type": "text", "text": text}]})


def error(id, code):
    out({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": "no"}})


def call(message):
    id, params = message["id"], message["params"]
    name, arguments = params["name"], params.get("arguments", {})
    if name == "echo":
        say(id, arguments.get("text", ""))
    elif name == "hold":  # answers in the wrong order, all at once
        HELD.append((id, arguments["text"]))
        if len(HELD) == arguments["of"]:
            for held, text in reversed(HELD):
                say(held, text)
    elif name == "meta":
        say(id, json.dumps(params.get("_meta")))
    elif name == "env":
        say(id, json.dumps(dict(os.environ)))
    elif name == "progress":
        token = params["_meta"]["progressToken"]
        for step in (1, 2):
            out({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": step, "total": 2}})
        say(id, "done")
    elif name == "crash":
        os._exit(3)
    elif name == "deaf":  # no longer reads, but lives
        os.close(0)
        say(id, "deaf")
        time.sleep(1000)
    elif name == "half":
        sys.stdout.write('{"jsonrpc":"2.0","id":%d,"resu' % id)
        sys.stdout.flush()
        os._exit(3)
    elif name == "garbage":
        out('{"jsonrpc": "2.0", "id": %d, oops' % id)
    elif name == "chatter":
        out("I am not a message")
        out("")
        say(id, "still here")
    elif name == "big":
        out('{"jsonrpc":"2.0","id":%d,"result":{"content":[],"x":"%s"}}' % (id, "x" * (9 << 20)))
    elif name == "wrongid":
        say(10 ** 9, "not for you")
    elif name == "twice":
        say(id, "first")
        say(id, "second")
    elif name == "duplicate":
        out('{"jsonrpc":"2.0","id":%d,"result":{"content":[],"content":[]}}' % id)
    elif name == "forge":
        answer(id, {"content": [], "isError": True, "structuredContent": {"z": 1, "a": [1]},
                    "_meta": {"dev.postern/refusal": {"decision": "dec_1"}, "com.example/x": 1}})
    elif name == "grow":
        TOOLS.append("grown")
        out({"jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": {}})
        say(id, "grown")
    elif name == "ask":
        out({"jsonrpc": "2.0", "id": "q1", "method": "sampling/createMessage", "params": {}})
        out({"jsonrpc": "2.0", "id": "q2", "method": "ping"})
        replies = {}
        while len(replies) < 2:
            reply = json.loads(sys.stdin.readline())
            replies[reply["id"]] = reply.get("error", {}).get("code", "ok")
        say(id, json.dumps(replies))
    elif name == "orphan":
        left = subprocess.Popen(["sleep", "1000"])
        say(id, str(left.pid))
    elif name == "stderr":
        sys.stderr.write("x" * (100 << 10) + "\x1b[31mlast words\n")
        sys.stderr.flush()
        say(id, "ok")
    elif name == "pid":
        say(id, str(os.getpid()))
    elif name == "input":
        out({"jsonrpc": "2.0", "id": id, "result": {"resultType": "input_required", "inputRequests": {}}})
    # "hang": nothing


note("start " + str(os.getpid()))
if "stillborn" in MODE:
    sys.exit(1)
if "banner" in MODE:
    out("Welcome to the tool server")
greeted = False
for line in sys.stdin:
    message = json.loads(line)
    method = message.get("method", "")
    note(method + " " + str(message.get("params", {}).get("requestId", "")))
    if method == "server/discover":
        if "fragile" in MODE:
            sys.exit(1)
        if "mute" in MODE:
            continue
        if MODERN:
            answer(message["id"], {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {"listChanged": True}}})
        else:
            error(message["id"], -32602)
    elif method == "initialize":
        greeted = True
        answer(message["id"], {"protocolVersion": "2024-11-05" if "old" in MODE else "2025-11-25",
                               "capabilities": {"tools": {"listChanged": True}}, "serverInfo": {"name": "child", "version": "1"}})
    elif method == "tools/list":
        tools = [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]
        if "endless" in MODE:
            answer(message["id"], {"tools": tools, "nextCursor": ""})
        elif "paged" in MODE and "cursor" not in message.get("params", {}):
            answer(message["id"], {"tools": tools, "nextCursor": ""})
        elif "paged" in MODE:
            answer(message["id"], {"tools": [{"name": "second", "inputSchema": {"type": "object"}}]})
        else:
            answer(message["id"], {"tools": tools})
    elif method == "tools/call":
        call(message)
if "stubborn" in MODE:
    time.sleep(1000)
