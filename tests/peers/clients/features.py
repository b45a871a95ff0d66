"""PyPI mcp 2.3.0: every feature of server-everything, through the gateway; prints {feature: {ok, told}} as one JSON line.

MODE: auto or legacy. SERVER: the server's name. SERVER__TOOL and SERVER+URI are the names on /mcp.
"""
import asyncio, json, os

import httpx2
import mcp.types as types
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

SERVER, MODE = os.environ["SERVER"], os.environ.get("MODE", "auto")
DOCUMENT = f"{SERVER}+demo://resource/static/document/features.md"
DYNAMIC = f"{SERVER}+demo://resource/dynamic/text/"
heard = asyncio.Event()
asked = []


async def sample(_context, params):
    asked.append("sampling")
    return types.CreateMessageResult(role="assistant", content=types.TextContent(type="text", text="a sampled word"), model="none")


async def elicit(_context, params):
    asked.append(getattr(params, "mode", "form"))
    if getattr(params, "mode", "form") == "url":
        return types.ElicitResult(action="accept")
    return types.ElicitResult(action="accept", content={"name": "Olga", "integer": 7})


async def roots(_context):
    asked.append("roots")
    return types.ListRootsResult(roots=[types.Root(uri="file:///work/peers", name="peers")])


async def log(_params):
    heard.set()


def text_of(result):
    return "".join(getattr(part, "text", "") for part in result.content)


async def pages(ask, member):
    found, cursor = [], None
    while True:
        page = await ask(cursor=cursor)
        found += getattr(page, member)
        cursor = page.next_cursor
        if not cursor:
            return found


async def call(client, tool, arguments=None, **more):
    result = await client.call_tool(f"{SERVER}__{tool}", arguments or {}, **more)
    assert not result.is_error, text_of(result)
    return text_of(result)


async def prompts(client):
    listed = await pages(client.list_prompts, "prompts")
    found = [one for one in listed if one.name == f"{SERVER}__args-prompt"]
    assert found and found[0].arguments[0].name == "city", [one.name for one in listed]


async def get_prompt(client):
    result = await client.get_prompt(f"{SERVER}__args-prompt", {"city": "Turku", "state": "Finland"})
    assert result.messages[0].content.text == "What's weather in Turku, Finland?", result


async def embedded(client):
    result = await client.get_prompt(f"{SERVER}__resource-prompt", {"resourceType": "Text", "resourceId": "3"})
    uris = [str(part.content.resource.uri) for part in result.messages if part.content.type == "resource"]
    assert uris == [DYNAMIC + "3"], result


async def resources(client):
    listed = [str(one.uri) for one in await pages(client.list_resources, "resources")]
    assert DOCUMENT in listed, listed


async def read(client):
    result = await client.read_resource(DOCUMENT)
    assert str(result.contents[0].uri) == DOCUMENT and "#" in result.contents[0].text, result


async def templates(client):
    listed = [one.uri_template for one in await pages(client.list_resource_templates, "resource_templates")]
    assert DYNAMIC + "{resourceId}" in listed, listed
    result = await client.read_resource(DYNAMIC + "7")
    assert result.contents[0].text.startswith("Resource 7:"), result


async def link(client):
    """A link in a tool's result leads to a resource that can be read."""
    result = await client.call_tool(f"{SERVER}__get-resource-links", {"count": 1})
    links = [str(part.uri) for part in result.content if part.type == "resource_link"]
    assert links and links[0].startswith(SERVER + "+"), result
    assert (await client.read_resource(links[0])).contents


async def completion(client):
    reference = types.PromptReference(type="ref/prompt", name=f"{SERVER}__completable-prompt")
    result = await client.complete(reference, {"name": "department", "value": "E"})
    assert result.completion.values == ["Engineering"], result
    result = await client.complete(reference, {"name": "name", "value": ""}, context_arguments={"department": "Sales"})
    assert result.completion.values == ["David", "Eve", "Frank"], result
    template = types.ResourceTemplateReference(type="ref/resource", uri=DYNAMIC + "{resourceId}")
    result = await client.complete(template, {"name": "resourceId", "value": "12"})
    assert result.completion.values == ["12"], result


async def progress(client):
    seen = []

    async def note(done, total, message):
        seen.append((done, total))

    await call(client, "trigger-long-running-operation", {"duration": 0.6, "steps": 3}, progress_callback=note)
    # The server may ask for roots in the middle, and what is told between two rounds is lost.
    assert seen in ([(1, 3), (2, 3), (3, 3)], [(2, 3), (3, 3)], [(1, 3), (3, 3)]), seen


async def logging(client):
    if MODE == "legacy":
        await client.set_logging_level("debug")
    await call(client, "toggle-simulated-logging")
    try:
        await asyncio.wait_for(heard.wait(), 4)
    finally:
        await call(client, "toggle-simulated-logging")


async def sampling(client):
    told = await call(client, "trigger-sampling-request", {"prompt": "a word", "maxTokens": 10})
    assert "a sampled word" in told and "sampling" in asked, told


async def elicitation(client):
    told = await call(client, "trigger-elicitation-request")
    assert "Name: Olga" in told and "Favorite Integer: 7" in told, told


async def elicitation_url(client):
    told = await call(client, "trigger-url-elicitation", {"url": "https://example.org/consent", "message": "Look here", "errorPath": False})
    assert "completed" in told and "url" in asked, told


async def list_roots(client):
    told = await call(client, "get-roots-list")
    assert "file:///work/peers" in told, told


async def subscription(client):
    """The server takes it. What it would tell goes to the session that asks for news by a tool, and calls have others."""
    if MODE == "legacy":
        await client.subscribe_resource(DYNAMIC + "7")
        await client.unsubscribe_resource(DYNAMIC + "7")
        return
    async with client.listen(resource_subscriptions=[DYNAMIC + "7"]) as listen:
        assert DYNAMIC + "7" in str(listen.honored), listen.honored


STEPS = {
    "prompts/list": prompts, "prompts/get": get_prompt, "prompt with a resource": embedded, "resources/list": resources,
    "resources/read": read, "resources/templates/list": templates, "link in a result": link, "completion": completion,
    "progress": progress, "logging": logging, "sampling": sampling, "elicitation": elicitation,
    "elicitation by URL": elicitation_url, "roots": list_roots, "subscription": subscription,
}


async def main():
    out = {}
    http = httpx2.AsyncClient(headers={"authorization": "Bearer " + os.environ["KEY"]}, timeout=30)
    more = {"log_level": "debug"} if MODE != "legacy" else {}
    async with Client(
        streamable_http_client(os.environ["URL"], http_client=http), mode=MODE, sampling_callback=sample, elicitation_callback=elicit,
        list_roots_callback=roots, logging_callback=log, **more,
    ) as client:
        for name, step in STEPS.items():
            try:
                await asyncio.wait_for(step(client), 10)
                out[name] = {"ok": True}
            except Exception as error:
                out[name] = {"ok": False, "told": f"{type(error).__name__}: {error}"[:500]}
    print(json.dumps(out))


asyncio.run(main())
