#!/usr/bin/env python3
"""What the client suite runs as its client: a gateway whose only tool server is the scenario's, driven by PyPI mcp.

The scenario's URL is the last argument. The last line of standard output is `driven: ok` when every step worked.
With DIRECT set the gateway is left out: is the driver right?
"""
import asyncio, contextlib, json, os, sys, tempfile

import httpx2
from mcp import Client, types
from mcp.client.streamable_http import streamable_http_client

from gateway import Gateway, ask, until

SCENARIO = os.environ["MCP_CONFORMANCE_SCENARIO"]
MODE = "auto" if os.environ["MCP_CONFORMANCE_PROTOCOL_VERSION"] >= "2026-07-28" else "legacy"
CONTEXT = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
NO_TOOLS = ("initialize", "request-metadata", "json-schema-ref-no-deref")
# Tools that a client must leave out; the agent knows their names all the same.
INVALID = ["empty_header", "object_header", "array_header", "null_header", "duplicate_same_case", "duplicate_diff_case",
           "space_in_name", "colon_in_name", "non_ascii_name", "control_char_name"]
during_input = []


async def fill(_context, params):
    """The user accepts the form as it stands: defaults, and yes to what has none."""
    while during_input:
        await during_input.pop()()
    schema = params.requested_schema
    properties = (schema if isinstance(schema, dict) else schema.model_dump(by_alias=True))["properties"]
    return types.ElicitResult(action="accept", content={name: one.get("default", True) for name, one in properties.items()})


async def first_tool(client, _):
    for tool in (await client.list_tools()).tools[:1]:
        await client.call_tool(tool.name, {"a": 2, "b": 3} if tool.name == "add_numbers" else {})


async def only_list(client, _):
    await client.list_tools()


async def echo_schema(client, _):
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    await client.call_tool("json_schema_echo", {"schema": tools["json_schema_2020_12_tool"].input_schema})


async def input_rounds(client, gateway):
    await client.list_tools()
    during_input.append(lambda: client.call_tool("test_mrtr_unrelated", {}))
    for name in ("test_mrtr_echo_state", "test_mrtr_no_state", "test_mrtr_unrelated"):
        await client.call_tool(name, {})
    # PyPI mcp itself refuses a result without `resultType`; behind a gateway it never sees one.
    with contextlib.nullcontext() if gateway else contextlib.suppress(ValueError):
        await client.call_tool("test_mrtr_no_result_type", {})


async def everything(client, _):
    for tool in (await client.list_tools()).tools:
        await client.call_tool(tool.name, {})
    for resource in (await client.list_resources()).resources:
        await client.read_resource(resource.uri)
    for prompt in (await client.list_prompts()).prompts:
        await client.get_prompt(prompt.name)


async def mirrored_arguments(client, _):
    await client.list_tools()
    for call in CONTEXT["toolCalls"]:
        given = call["arguments"]
        result = await client.call_tool(call["name"], given)
        if result.is_error and None in given.values():
            # null is no boolean, and the gateway checks arguments; left out it means the same.
            result = await client.call_tool(call["name"], {name: value for name, value in given.items() if value is not None})
        assert not result.is_error, result


async def invalid_tools(client, gateway):
    listed = [tool.name for tool in (await client.list_tools()).tools]
    await client.call_tool("valid_tool", {"region": "us-west1"})
    if not gateway:
        return
    assert listed == ["valid_tool"] == gateway.tools(), listed
    for name in INVALID:
        answer = await asyncio.to_thread(ask, gateway.url, gateway.key, "tools/call", name="invalid_" + name, arguments={"value": "x"})
        assert "error" in answer, answer


STEPS = {
    "request-metadata": only_list,
    "json-schema-ref-no-deref": only_list,
    "json-schema-2020-12-preservation": echo_schema,
    "sep-2322-client-request-state": input_rounds,
    "http-standard-headers": everything,
    "http-custom-headers": mirrored_arguments,
    "http-invalid-tool-headers": invalid_tools,
}


async def drive(url, key, gateway):
    http = httpx2.AsyncClient(headers={"authorization": "Bearer " + key}, timeout=35)
    async with Client(streamable_http_client(url, http_client=http), mode=MODE, elicitation_callback=fill) as client:
        await STEPS.get(SCENARIO, first_tool)(client, gateway)


def through_gateway(work, url):
    server = json.dumps({"http": {"url": url}, "allow_private": True, "trust": "first_use"})
    gateway = Gateway(work, server)
    try:
        try:
            # Some scenarios have no tool that an agent would see.
            until("a tool", 3 if SCENARIO in NO_TOOLS else 10, gateway.tools)
        except RuntimeError as error:
            if SCENARIO not in NO_TOOLS:
                print(error, file=sys.stderr)
        asyncio.run(drive(gateway.url, gateway.key, gateway))
    except BaseException:
        sys.stderr.write(gateway.log.read_text(errors="replace")[-3000:] + "\n")
        raise
    finally:
        gateway.stop()


def main():
    if os.environ.get("DIRECT"):
        asyncio.run(drive(sys.argv[-1], "none", None))
    else:
        with tempfile.TemporaryDirectory(prefix="postern-drive-") as work:
            through_gateway(work, sys.argv[-1])
    print("driven: ok")


main()
