#!/usr/bin/env python3
"""Customers and their open cases."""

from toolserver import ToolServer

server = ToolServer("crm")
cases = {f"c-{n}": {"customer": f"customer {n}", "region": "eu" if n % 2 else "us", "state": "open"} for n in range(1, 9)}


@server.tool("Read a case.", case={"type": "string", "maxLength": 32})
def read_case(case):
    return cases[case]


@server.tool(
    "Refund a customer.",
    case={"type": "string", "maxLength": 32},
    region={"type": "string", "enum": ["eu", "us"]},
    amount={"type": "integer", "minimum": 1, "maximum": 10000},
)
def refund(case, region, amount):
    if cases[case]["region"] != region:
        raise ValueError(f"{case} is not in {region}")
    return f"{amount} refunded to {cases[case]['customer']}."


server.run()
