"""A server on PyPI mcp 2.x whose tools answer what careless intermediaries change."""
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.types import (
    CallToolResult, ElicitRequest, ElicitRequestFormParams, EmbeddedResource, InputRequiredResult, ResourceLink,
    TextContent, TextResourceContents,
)

server = MCPServer("odd", instructions="Odd, but valid.")
TEXT = "a\nb\r\n\u2028 \"quoted\" \\ é 😀 \u0000 \x7f data: x\n\nevent: y"


@server.tool()
def numbers(integer: int = 0, real: float = 0.0) -> CallToolResult:
    """Numbers of every size."""
    numbers = {
        "z": 12345678901234567890123, "a": 1e22, "m": 1.0, "b": -0.0, "tiny": 5e-324, "whole": integer, "real": real,
        "list": [1, 1.0, 1e100, -9007199254740993], "none": None,
    }
    return CallToolResult(content=[], structured_content=numbers)


@server.tool()
def array() -> CallToolResult:
    """An array, which legacy clients do not take as structured content."""
    return CallToolResult(content=[], structured_content=[1.0, {"b": 1, "a": 2}])


@server.tool()
def texts(text: str = "") -> str:
    """Texts with everything in them."""
    return TEXT + text


@server.tool()
def blocks() -> CallToolResult:
    """Every kind of block, out of order, with metadata."""
    note = TextContent(type="text", text=TEXT, _meta={"example.org/b": 1, "example.org/a": [2.50]})
    link = ResourceLink(type="resource_link", uri="file:///a%20b", name="a b", size=9007199254740993)
    inner = TextResourceContents(uri="odd://x", text="x", mime_type="text/plain")
    return CallToolResult(
        content=[note, link, EmbeddedResource(type="resource", resource=inner)],
        structured_content={"b": {"d": 1, "c": 2}, "a": []}, is_error=True, _meta={"example.org/last": {"k": None}},
    )


@server.tool()
async def rounds(ctx: Context) -> CallToolResult | InputRequiredResult:
    """Asks once before it answers, and tells how far it is."""
    await ctx.report_progress(0.5, 1.0, "half é")
    if ctx.input_responses:
        return CallToolResult(content=[TextContent(type="text", text=str(ctx.request_state))])
    schema = {"type": "object", "properties": {"z": {"type": "integer", "minimum": 1}, "a": {"type": "string"}}}
    ask = ElicitRequest(params=ElicitRequestFormParams(message="Which?", requested_schema=schema))
    return InputRequiredResult(input_requests={"which": ask}, request_state="opaque é \u2028")


@server.resource("odd://{name}")
def resource(name: str) -> str:
    """A resource."""
    return TEXT + name


@server.prompt()
def prompt(topic: str) -> str:
    """A prompt."""
    return TEXT + topic


server.run("stdio")
