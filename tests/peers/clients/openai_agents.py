"""openai-agents 0.24.0, its MCP layer alone, against the gateway: prints one JSON line."""
import asyncio

from agents.mcp import MCPServerStreamableHttp
from common import DOCUMENT, HEADERS, PLAN, PROMPT, URL, done, keep, offer, out, text_of


async def main():
    server = MCPServerStreamableHttp({"url": URL, "headers": HEADERS}, client_session_timeout_seconds=30)
    async with server:
        out["tools"] = [tool.name for tool in await server.list_tools()]
        for step in PLAN:
            result = await server.call_tool(step["tool"], step["arguments"])
            keep(step, text_of(result.content), bool(result.is_error))

        async def prompt():
            listed = PROMPT in [one.name for one in (await server.list_prompts()).prompts]
            given = await server.get_prompt(PROMPT, {"city": "Turku"})
            return listed and "Turku" in given.messages[0].content.text

        async def resource():
            listed = DOCUMENT in [str(one.uri) for one in (await server.list_resources()).resources]
            return listed and "#" in (await server.read_resource(DOCUMENT)).contents[0].text

        await offer("prompts", prompt())
        await offer("resources", resource())
    done()


asyncio.run(main())
