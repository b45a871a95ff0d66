#!/usr/bin/env python3
"""An honest shim: adds `Authorization: Bearer $KEY` to each request and passes everything else through unchanged.

Usage: shim.py LISTEN TO (ports on the loopback address). The suite sends no credentials; the gateway wants some.
Answers are copied as bytes, so streams flow and a side that leaves is gone for the other at once.
"""
import asyncio, os, sys

ADDED = b"authorization: Bearer " + os.environ["KEY"].encode() + b"\r\n"


async def chunked(source, sink):
    """One chunked body."""
    while True:
        line = await source.readline()
        sink.write(line)
        size = int(line.split(b";")[0], 16)
        if size:
            sink.write(await source.readexactly(size + 2))
            await sink.drain()
            continue
        while line.strip():  # trailers, up to the empty line
            line = await source.readline()
            sink.write(line)
        return


async def requests(source, sink):
    """All requests of a connection, each with the header added after its first line."""
    while True:
        head = await source.readuntil(b"\r\n\r\n")
        first, rest = head.split(b"\r\n", 1)
        sink.write(first + b"\r\n" + ADDED + rest)
        fields = dict(line.split(b":", 1) for line in rest.lower().split(b"\r\n") if b":" in line)
        if b"chunked" in fields.get(b"transfer-encoding", b""):
            await chunked(source, sink)
        elif length := int(fields.get(b"content-length", b"0")):
            sink.write(await source.readexactly(length))
        await sink.drain()


async def answers(source, sink):
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()


async def connection(source, sink):
    writers = [sink]
    try:
        back, to = await asyncio.open_connection("127.0.0.1", int(sys.argv[2]), limit=1 << 20)
        writers.append(to)
        ways = [asyncio.create_task(requests(source, to)), asyncio.create_task(answers(back, sink))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
    except OSError:
        pass
    finally:
        for writer in writers:
            writer.close()


async def main():
    server = await asyncio.start_server(connection, "127.0.0.1", int(sys.argv[1]), limit=1 << 20)
    async with server:
        await server.serve_forever()


asyncio.run(main())
