#!/usr/bin/env python3
"""A real MCP client against the gateway: `pip install mcp`, then

    python client.py                                     lists the tools
    python client.py notes__read_note '{"id": "n-1"}'    calls one

The key is read from agent.key beside this file; POSTERN_MCP names another address than http://127.0.0.1:8080/mcp.
"""

import asyncio
import json
import os
import pathlib
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

URL = os.environ.get("POSTERN_MCP", "http://127.0.0.1:8080/mcp")
KEY = pathlib.Path(__file__).with_name("agent.key")


async def main(tool=None, arguments="{}"):
    http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {KEY.read_text().strip()}"}, timeout=30)
    async with Client(streamable_http_client(URL, http_client=http)) as client:
        if tool is None:
            for found in (await client.list_tools()).tools:
                print(f"{found.name:20} {found.description}")
            return
        result = await client.call_tool(tool, json.loads(arguments))
        for part in result.content:
            print(part.text)
        refusal = (result.meta or {}).get("dev.postern/refusal")
        if refusal:
            print(json.dumps(refusal, indent=2))


asyncio.run(main(*sys.argv[1:3]))
