"""pydantic-ai-slim 2.68.0, its MCP toolset alone, against the gateway: prints one JSON line."""
import asyncio

from common import DOCUMENT, HEADERS, PLAN, PROMPT, URL, done, keep, offer, out
from pydantic_ai.mcp import MCPToolset


async def main():
    toolset = MCPToolset(URL, headers=HEADERS, tool_error_behavior="error")
    async with toolset:
        out["tools"] = [tool.name for tool in await toolset.list_tools()]
        for step in PLAN:
            try:
                keep(step, await toolset.direct_call_tool(step["tool"], step["arguments"]), False)
            except Exception as error:  # a ToolError, for a result that says isError
                keep(step, error, True)

        async def prompt():
            listed = PROMPT in [one.name for one in await toolset.list_prompts()]
            return listed and "Turku" in str(await toolset.get_prompt(PROMPT, {"city": "Turku"}))

        async def resource():
            listed = DOCUMENT in [str(one.uri) for one in await toolset.list_resources()]
            return listed and "#" in str(await toolset.read_resource(DOCUMENT))

        await offer("prompts", prompt())
        await offer("resources", resource())
    done()


asyncio.run(main())
