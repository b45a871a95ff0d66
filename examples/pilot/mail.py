#!/usr/bin/env python3
"""Mail to customers; it is kept in memory and not sent."""

from toolserver import ToolServer

server = ToolServer("mail")
sent = []


@server.tool(
    "Write to a customer from a template.",
    case={"type": "string", "maxLength": 32},
    template={"type": "string", "enum": ["refund", "apology", "goodbye"]},
)
def write(case, template):
    sent.append((case, template))
    return f"The {template} letter of {case} is on its way."


server.run()
