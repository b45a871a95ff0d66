"""PyPI mcp 2.3.0 that spawns `postern stdio`, or what COMMAND says: lists, makes the calls of the plan, prints one JSON line."""
import asyncio, json, os

from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client


async def main():
    plan = json.loads(os.environ["PLAN"])
    command = json.loads(os.environ.get("COMMAND", "[]")) or [os.environ["POSTERN"], "stdio", "--url", os.environ["URL"]]
    server = StdioServerParameters(
        command=command[0],
        args=command[1:],
        env={"POSTERN_KEY": os.environ["KEY"], "POSTERN_LOG": "info"},
    )
    out = {"tools": [], "calls": {}}
    async with Client(stdio_client(server), mode=os.environ.get("MODE", "auto")) as client:
        cursor = None
        while True:
            page = await client.list_tools(cursor=cursor)
            out["tools"] += [tool.name for tool in page.tools]
            cursor = page.next_cursor
            if not cursor:
                break
        out["protocol"] = str(client.protocol_version)
        # All at once: answers may come in any order. The first of a server may be what the second one asks for.
        first = [await client.call_tool(step["tool"], step["arguments"]) for step in plan if step["tool"] == "memory__create_entities"]
        rest = (client.call_tool(step["tool"], step["arguments"]) for step in plan if step["tool"] != "memory__create_entities")
        results = list(await asyncio.gather(*rest))
        at = [step["tool"] for step in plan].index("memory__create_entities") if first else 0
        results[at:at] = first
        for step, result in zip(plan, results):
            text = "".join(getattr(part, "text", "") for part in result.content)
            out["calls"][step["name"]] = {"error": bool(result.is_error), "text": text[:2000], "meta": result.meta}
    print(json.dumps(out, default=str))


asyncio.run(main())
