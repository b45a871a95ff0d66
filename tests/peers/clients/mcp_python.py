"""PyPI mcp 2.3.0 against the gateway: lists, makes the calls of the plan, prints one JSON line."""
import asyncio, json, os, sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


def tracer():
    """A tracer whose spans go to the collector, or None."""
    endpoint = os.environ.get("OTLP_HTTP")
    if not endpoint:
        return None, None
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    provider = TracerProvider(resource=Resource({"service.name": "agent", "openinference.project.name": "peers"}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=endpoint + "/v1/traces")))
    trace.set_tracer_provider(provider)
    return trace.get_tracer("agent"), provider


async def main():
    plan = json.loads(os.environ["PLAN"])
    span_tracer, provider = tracer()
    out = {"tools": [], "calls": {}, "traces": {}}
    http = httpx2.AsyncClient(headers={"authorization": "Bearer " + os.environ["KEY"]}, timeout=30)
    async with Client(streamable_http_client(os.environ["URL"], http_client=http), mode=os.environ.get("MODE", "auto")) as client:
        cursor = None
        while True:
            page = await client.list_tools(cursor=cursor)
            out["tools"] += [tool.name for tool in page.tools]
            cursor = page.next_cursor
            if not cursor:
                break
        out["protocol"] = str(client.protocol_version)
        for step in plan:
            async def call():
                result = await client.call_tool(step["tool"], step["arguments"])
                text = "".join(getattr(part, "text", "") for part in result.content)
                out["calls"][step["name"]] = {"error": bool(result.is_error), "text": text[:2000], "meta": result.meta}
            if span_tracer:
                with span_tracer.start_as_current_span("agent turn") as span:
                    out["traces"][step["name"]] = format(span.get_span_context().trace_id, "032x")
                    await call()
            else:
                await call()
    if provider:
        provider.shutdown()
    print(json.dumps(out, default=str))


asyncio.run(main())
