# A tool server on stdio that acts as it is told: argv[1] is its era and manners, the tool's name what it does.
import json, os, subprocess, sys, time

MODE = sys.argv[1]
MODERN = "modern" in MODE
TOOLS = ["echo"]
LISTEN = None
HELD = []
CAPABILITIES = {"tools": {"listChanged": True}}
if "logging" in MODE:
    CAPABILITIES["logging"] = {}
if "resources" in MODE:
    CAPABILITIES["resources"] = {"subscribe": True}


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
    elif name == "elicit":  # asks twice, one after the other
        said = []
        for method, params in (("elicitation/create", {"message": "m", "_meta": {"x": 1}}), ("roots/list", None)):
            out(dict({"jsonrpc": "2.0", "id": "q", "method": method}, **({"params": params} if params else {})))
            for line in sys.stdin:
                reply = json.loads(line)
                if "method" not in reply:
                    break
                if reply["method"] == "tools/call":
                    call(reply)
            else:
                return
            if "error" in reply:
                note("asked in vain " + str(reply["error"]))
                return say(id, json.dumps(reply["error"]))
            said.append(reply["result"])
        say(id, json.dumps(said))
    elif name == "batch":
        out("[" + json.dumps({"jsonrpc": "2.0", "method": "notifications/x"}) + ","
            + json.dumps({"jsonrpc": "2.0", "id": id, "result": {"content": [{"type": "text", "text": "of two"}]}}) + "]")
    elif name == "log":
        for level in ("debug", "error"):
            out({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": level, "data": "x"}})
        say(id, "logged")
    elif name == "update":
        out({"jsonrpc": "2.0", "method": "notifications/resources/updated",
             "params": dict({"uri": arguments["uri"], "title": 1.5}, **({"_meta": {"io.modelcontextprotocol/subscriptionId": LISTEN}} if LISTEN else {}))})
        say(id, "told")
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
            answer(message["id"], {"supportedVersions": ["2026-07-28"], "capabilities": CAPABILITIES})
        else:
            error(message["id"], -32602)
    elif method == "initialize":
        greeted = True
        if "roots" in MODE:
            out({"jsonrpc": "2.0", "id": "r", "method": "roots/list"})
        answer(message["id"], {"protocolVersion": "2024-11-05" if "old" in MODE else "2025-03-26" if "batches" in MODE else "2025-11-25",
                               "capabilities": CAPABILITIES, "serverInfo": {"name": "child", "version": "1"}})
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
    elif method == "resources/list":
        answer(message["id"], {"resources": [{"uri": "a://1", "name": "1"}]})
    elif method == "resources/templates/list":
        answer(message["id"], {"resourceTemplates": []})
    elif method in ("logging/setLevel", "resources/subscribe", "resources/unsubscribe"):
        note(method + " " + json.dumps(message["params"]))
        answer(message["id"], {})
    elif method == "subscriptions/listen":
        LISTEN = message["id"]
        wanted = message["params"]["notifications"]
        note("listen " + json.dumps(wanted))
        if "a://refused" in wanted.get("resourceSubscriptions", []):
            wanted["resourceSubscriptions"].remove("a://refused")
        out({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
             "params": {"notifications": wanted, "_meta": {"io.modelcontextprotocol/subscriptionId": LISTEN}}})
    elif method == "tools/call":
        call(message)
    elif not method and message.get("id") == "r":
        note("outside " + str(message.get("result", message.get("error"))))
if "stubborn" in MODE:
    time.sleep(1000)
