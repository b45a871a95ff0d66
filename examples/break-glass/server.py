#!/usr/bin/env python3
"""A database and what its administrators do with it."""

from toolserver import ToolServer

server = ToolServer("db")
sessions = {"app-1": "idle", "report-7": "holds a lock on invoices"}


@server.tool("List the sessions of the database.")
def list_sessions():
    return sessions


@server.tool("End a session for good.", session={"type": "string", "maxLength": 64})
def end_session(session):
    state = sessions.pop(session)
    return f"{session} ({state}) is ended."


server.run()
