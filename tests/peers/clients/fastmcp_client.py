"""fastmcp 4.1.6 against the gateway: prints one JSON line."""
import asyncio

from common import DOCUMENT, HEADERS, PLAN, PROMPT, URL, done, keep, offer, out, text_of
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport


async def main():
    async with Client(StreamableHttpTransport(URL, headers=HEADERS)) as client:
        out["tools"] = [tool.name for tool in await client.list_tools()]
        for step in PLAN:
            result = await client.call_tool(step["tool"], step["arguments"], raise_on_error=False)
            keep(step, text_of(result.content), bool(result.is_error))

        async def prompt():
            listed = PROMPT in [one.name for one in await client.list_prompts()]
            return listed and "Turku" in (await client.get_prompt(PROMPT, {"city": "Turku"})).messages[0].content.text

        async def resource():
            listed = DOCUMENT in [str(one.uri) for one in await client.list_resources()]
            return listed and "#" in (await client.read_resource(DOCUMENT))[0].text

        await offer("prompts", prompt())
        await offer("resources", resource())
    done()


asyncio.run(main())
