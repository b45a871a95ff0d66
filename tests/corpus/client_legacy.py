"""PyPI mcp 1.x: starts the server of its command line and asks it everything that it offers."""
import asyncio, os, sys

from mcp import ClientSession, StdioServerParameters, types
from mcp.client.stdio import stdio_client

ARGUMENTS = {
    "numbers": {"real": 2.5e-10, "integer": 9007199254740991}, "texts": {"text": "\u2028é😀\"\\\n"}, "blocks": {},
    "get_current_time": {"timezone": "Europe/Rome"}, "echo": {"message": "hé\n"}, "get-sum": {"b": 2.50, "a": 1e2},
    "get-structured-content": {"location": "Chicago"}, "get-annotated-message": {"messageType": "error", "includeImage": True},
    "get-tiny-image": {}, "get-resource-links": {"count": 3}, "get-resource-reference": {"resourceType": "Text", "resourceId": 1},
    "list_allowed_directories": {}, "trigger-elicitation-request": {}, "get-roots-list": {},
    "trigger-sampling-request": {"prompt": "é", "maxTokens": 5}, "trigger-long-running-operation": {"duration": 0.2, "steps": 2},
}


async def main():
    server = StdioServerParameters(command=sys.argv[1], args=sys.argv[2:], env=dict(os.environ))
    answers = {"sampling_callback": sampled, "elicitation_callback": asked, "list_roots_callback": rooted}
    async with stdio_client(server) as (read, write), ClientSession(read, write, **answers) as client:
        await client.initialize()
        for tool in (await client.list_tools()).tools:
            if tool.name in ARGUMENTS:
                await client.call_tool(tool.name, ARGUMENTS[tool.name], progress_callback=told)
        steps = [client.list_prompts, client.list_resources, client.list_resource_templates, client.send_ping]
        steps += [lambda: client.get_prompt("prompt", {"topic": "x"}), lambda: client.call_tool("no such tool", {})]
        steps += [lambda: client.read_resource("odd://x"), lambda: client.get_prompt("args-prompt", {"city": "é"})]
        for step in steps:
            try:
                await step()
            except Exception as error:
                print(error, file=sys.stderr)


async def told(*_):
    pass


async def asked(*_):
    return types.ElicitResult(action="accept", content={"name": "é", "z": 1.50, "a": ["x"]})


async def sampled(*_):
    text = types.TextContent(type="text", text="é\n")
    return types.CreateMessageResult(role="assistant", content=text, model="m", stopReason="endTurn")


async def rooted(*_):
    return types.ListRootsResult(roots=[types.Root(uri="file:///a%20b", name="a b")])


asyncio.run(main())
