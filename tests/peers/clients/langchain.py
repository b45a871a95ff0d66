"""langchain-mcp-adapters 0.3.2 (on mcp 1.x) against the gateway: loads tools, invokes them, prints one JSON line."""
import asyncio, json, os

from langchain_mcp_adapters.client import MultiServerMCPClient


async def main():
    plan = json.loads(os.environ["PLAN"])
    client = MultiServerMCPClient({
        "postern": {
            "transport": "streamable_http",
            "url": os.environ["URL"],
            "headers": {"Authorization": "Bearer " + os.environ["KEY"]},
        }
    })
    tools = {tool.name: tool for tool in await client.get_tools()}
    out = {"tools": list(tools), "calls": {}, "protocol": "adapter"}
    for step in plan:
        try:
            result = await tools[step["tool"]].ainvoke(step["arguments"])
            out["calls"][step["name"]] = {"error": None, "text": str(result)[:2000]}
        except Exception as error:  # the adapter raises ToolException for isError
            out["calls"][step["name"]] = {"error": True, "text": str(error)[:2000]}
    print(json.dumps(out))


asyncio.run(main())
