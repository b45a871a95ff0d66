"""PyPI mcp 2.3.0 in one era against each server of SERVERS: prints {server: {check: what went wrong, or ""}} as one JSON line.

MODE: 2026-07-28 (modern only), auto (dual) or legacy. With POSTERN it spawns `postern stdio`, without it goes over HTTP.
"""
import asyncio, json, os

import httpx2
import mcp.types as types
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

MODE, URL, KEY = os.environ["MODE"], os.environ["URL"], os.environ["KEY"]
WATCHED = "test://watched-resource"


class Cell:
    """One client before one server."""

    def __init__(self, server):
        self.server, self.logs, self.updated = server, [], asyncio.Event()

    def transport(self):
        if postern := os.environ.get("POSTERN"):
            words = ["stdio", "--url", URL, "--server", self.server]
            return stdio_client(StdioServerParameters(command=postern, args=words, env={"POSTERN_KEY": KEY}))
        http = httpx2.AsyncClient(headers={"authorization": "Bearer " + KEY}, timeout=30)
        return streamable_http_client(f"{URL}/{self.server}", http_client=http)

    def client(self):
        return Client(self.transport(), mode=MODE, sampling_callback=self.sample, elicitation_callback=self.elicit,
                      list_roots_callback=self.roots, logging_callback=self.log, message_handler=self.heard,
                      **({} if MODE == "legacy" else {"log_level": "info"}))

    async def sample(self, _context, _params):
        return types.CreateMessageResult(role="assistant", content=types.TextContent(type="text", text="Paris"), model="none")

    async def elicit(self, _context, _params):
        return types.ElicitResult(action="accept", content={"name": "Olga"})

    async def roots(self, _context):
        return types.ListRootsResult(roots=[types.Root(uri="file:///work/peers")])

    async def log(self, params):
        self.logs.append(params.data)

    async def heard(self, message):
        if isinstance(message, types.ResourceUpdatedNotification) and str(message.params.uri) == WATCHED:
            self.updated.set()

    async def call(self, tool, expect, arguments=None, **more):
        result = await self.to.call_tool(tool, arguments or {}, **more)
        told = "".join(getattr(part, "text", "") for part in result.content)
        assert expect in told and not result.is_error, told

    async def list_tools(self):
        names = [tool.name for tool in (await self.to.list_tools()).tools]
        assert "test_simple_text" in names and len(names) > 20, names

    async def call_tool(self):
        await self.call("test_simple_text", "This is a simple text response")

    async def prompt(self):
        listed = [one.name for one in (await self.to.list_prompts()).prompts]
        got = await self.to.get_prompt("test_prompt_with_arguments", {"arg1": "a", "arg2": "b"})
        assert "test_simple_prompt" in listed and "arg1='a', arg2='b'" in got.messages[0].content.text, (listed, got)

    async def resource(self):
        listed = [str(one.uri) for one in (await self.to.list_resources()).resources]
        got = await self.to.read_resource("test://static-text")
        assert "test://static-text" in listed and "static text resource" in got.contents[0].text, (listed, got)

    async def template(self):
        listed = [one.uri_template for one in (await self.to.list_resource_templates()).resource_templates]
        got = await self.to.read_resource("test://template/42/data")
        assert "test://template/{id}/data" in listed and '"42"' in got.contents[0].text, (listed, got)

    async def complete(self):
        reference = types.PromptReference(type="ref/prompt", name="test_prompt_with_arguments")
        got = await self.to.complete(reference, {"name": "arg1", "value": "par"})
        assert got.completion.values == ["paris", "park", "party"], got

    async def elicitation(self):
        await self.call("test_input_required_result_elicitation", "Hello, Olga!")

    async def sampling(self):
        await self.call("test_sampling", "Paris", {"prompt": "The capital of France?"})

    async def list_roots(self):
        await self.call("test_input_required_result_list_roots", "file:///work/peers")

    async def progress(self):
        seen = []

        async def note(done, total, _message):
            seen.append(done)

        await self.call("test_tool_with_progress", "Progress test completed", progress_callback=note)
        assert seen == [0, 50, 100], seen

    async def logging(self):
        if MODE == "legacy":
            await self.to.set_logging_level("info")
        await self.call("test_tool_with_logging", "Logging test completed")
        await asyncio.sleep(0.1)
        assert self.logs == ["Tool execution started", "Tool processing data", "Tool execution completed"], self.logs

    async def trigger(self):
        await self.call("test_trigger_resource_change", "Told", {"uri": WATCHED})

    async def watch(self):
        if MODE == "legacy":
            await self.to.subscribe_resource(WATCHED)
            await self.trigger()
            await asyncio.wait_for(self.updated.wait(), 5)
            await self.to.unsubscribe_resource(WATCHED)
            return
        async with self.to.listen(resource_subscriptions=[WATCHED]) as listen:
            await self.trigger()
            event = await asyncio.wait_for(anext(aiter(listen)), 5)
            assert WATCHED in str(event), event

    async def play(self):
        checks = {
            "list": self.list_tools, "call": self.call_tool, "prompt": self.prompt, "resource": self.resource,
            "template": self.template, "completion": self.complete, "elicitation": self.elicitation, "sampling": self.sampling,
            "roots": self.list_roots, "progress": self.progress, "log": self.logging, "watch": self.watch,
        }
        out = {}
        async with self.client() as self.to:
            for name, check in checks.items():
                try:
                    await asyncio.wait_for(check(), 15)
                    out[name] = ""
                except Exception as error:
                    out[name] = f"{type(error).__name__}: {error}"[:300]
        return out


async def cell(server):
    try:
        return server, await asyncio.wait_for(Cell(server).play(), 90)
    except Exception as error:
        return server, {"session": f"{type(error).__name__}: {error}"[:300]}


async def main():
    out = dict([await cell(server) for server in os.environ["SERVERS"].split(",")])
    print(json.dumps(out))


asyncio.run(main())
