#!/usr/bin/env python3
"""Clients and servers that are not ours, through the gateway, as a table.

run.py [PART...]: of tools, features, eras, openapi, traces; all of them if none is named.
Last line: `peers: N passed, M failed`. Logs are kept if anything failed.
"""
import pathlib, shutil, sys, tempfile
from concurrent.futures import ThreadPoolExecutor

import apis, features, matrix, traces
from eras import Eras
from gateway import Gateway
from house import Rows, note, say, stop_all, tail, until
from servers import READER, Servers
from trace import Collector

PARTS = ("tools", "features", "eras", "openapi", "traces")
PEER = "spiffe://example.org/agent/peer"


class Peers:
    """The gateway before real servers."""

    def __init__(self, work, collector):
        self.servers, self.collector = Servers(work), collector
        telemetry = f'telemetry: {{otlp: "http://127.0.0.1:{self.collector.otlp}", sample_ratio: 1.0}}' if collector else ""
        self.gateway = Gateway(work, self.servers.yaml(), {PEER: "reader", **dict.fromkeys(features.AGENTS, "features")},
                               {"reader": READER, "features": features.ROLE}, telemetry)

    def start(self):
        self.servers.start()
        self.servers.wait()
        if self.collector:
            self.collector.wait()
        self.gateway.start([PEER, *features.AGENTS], OTEL_RESOURCE_ATTRIBUTES="openinference.project.name=peers")
        plan = {step["tool"] for step in self.servers.plan()}
        until("the tools", 60, lambda: plan <= set(self.gateway.tools(PEER)))

    def play(self, rows, parts):
        if "tools" in parts:
            say("clients and servers: tools")
            matrix.play(rows, self.gateway, PEER, self.servers.plan(), self.collector)
        if "features" in parts:
            say("features of server-everything, over Streamable HTTP and over HTTP+SSE")
            features.play(rows, self.gateway)
        if rows.failed:
            note(f"log of the gateway:\n{tail(self.gateway.log)}")


def folder(work, name):
    made = work / name
    made.mkdir()
    return made


def main(parts):
    work, rows = pathlib.Path(tempfile.mkdtemp(prefix="postern-peers-")), Rows()
    say("starting servers, gateways and a collector (half a minute)")
    collector = Collector(work) if {"tools", "traces"} & set(parts) else None
    peers = Peers(folder(work, "peers"), collector if "tools" in parts else None) if {"tools", "features"} & set(parts) else None
    pilot = traces.Traces(folder(work, "traces"), collector) if "traces" in parts else None
    eras = Eras(folder(work, "eras")) if "eras" in parts else None
    try:
        with ThreadPoolExecutor(4) as pool:
            api = pool.submit(apis.run) if "openapi" in parts else None
            if collector:
                collector.start()
            for one in [pool.submit(part.start) for part in (peers, eras, pilot) if part]:
                one.result()
            if peers:
                peers.play(rows, parts)
            if eras:
                say("eras: client x server x transport, twelve checks each")
                eras.play(rows)
            if api:
                say("HTTP APIs as tools")
                apis.play(rows, api.result())
            if pilot:
                say("the traces of a pilot in Phoenix, behind rotel, and outages of both")
                collector.wait()
                traces.play(rows, pilot)
    except Exception as error:
        rows.add("the run itself", type(error).__name__, False, error)
    finally:
        stop_all()
    if rows.failed:
        note(f"logs: {work}")
    else:
        shutil.rmtree(work, ignore_errors=True)
    if rows.gaps:
        print(f"{rows.gaps} gaps: not carried, for the reason given; not counted")
    print(f"peers: {rows.passed} passed, {rows.failed} failed")
    return 1 if rows.failed else 0


if __name__ == "__main__":
    wanted = sys.argv[1:]
    if unknown := set(wanted) - set(PARTS):
        sys.exit(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    sys.exit(main(wanted or PARTS))
