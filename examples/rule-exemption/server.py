#!/usr/bin/env python3
"""Fetches from APIs of partners. The answers are canned; nothing leaves this machine."""

from toolserver import ToolServer

server = ToolServer("net")
RATES = {"api.partner.example": {"EUR": 1.0, "USD": 1.09}, "legacy.partner.example": {"EUR": 1.0, "USD": 1.08}}


@server.tool("Fetch the exchange rates that an API publishes.", host={"type": "string", "maxLength": 253})
def fetch_rates(host):
    if host not in RATES:
        raise ValueError(f"{host} cannot be reached")
    return RATES[host]


server.run()
