"""PyPI mcp 2.x: starts the server of its command line and asks it everything that it offers."""
import asyncio, os, sys

from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.types import ElicitResult

ARGUMENTS = {
    "numbers": {"real": 2.5e-10, "integer": 9007199254740991}, "texts": {"text": "\u2028é😀\"\\\n"},
    "get_current_time": {"timezone": "Europe/Rome"}, "echo": {"message": "hé\n"}, "get-sum": {"b": 2.50, "a": 1e2},
    "get-structured-content": {"location": "Chicago"}, "get-annotated-message": {"messageType": "error", "includeImage": True},
    "get-tiny-image": {}, "get-resource-links": {"count": 3}, "blocks": {}, "array": {}, "rounds": {},
    "trigger-elicitation-request": {}, "get-resource-reference": {"resourceType": "Text", "resourceId": 1},
}


async def main():
    server = StdioServerParameters(command=sys.argv[1], args=sys.argv[2:], env=dict(os.environ))
    async with Client(server, mode=os.environ["MODE"], elicitation_callback=asked) as client:
        tools = (await client.list_tools()).tools
        for tool in tools:
            if tool.name in ARGUMENTS:
                meta = {"example.org/trace": [1, None]}
                await client.call_tool(tool.name, ARGUMENTS[tool.name], progress_callback=told, meta=meta)
        for ask in (client.list_prompts, client.list_resources, client.list_resource_templates):
            try:
                await ask()
            except Exception as error:
                print(ask.__name__, error, file=sys.stderr)
        for uri in ("odd://né", "nowhere://x"):
            try:
                await client.read_resource(uri)
            except Exception as error:
                print(uri, error, file=sys.stderr)
        try:
            await client.get_prompt("prompt", {"topic": "x"})
            await client.call_tool("no such tool", {})
        except Exception as error:
            print(error, file=sys.stderr)


async def asked(*_):
    return ElicitResult(action="accept", content={"z": 7, "a": "é"})


async def told(*_):
    pass


asyncio.run(main())
