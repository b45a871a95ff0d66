// npm @modelcontextprotocol/client 2.x, modern era by negotiation, against the gateway: prints one JSON line.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { run } from "./run.mjs";

const client = new Client({ name: "peer-client", version: "1.0.0" }, { versionNegotiation: { mode: "auto" } });
const transport = new StreamableHTTPClientTransport(new URL(process.env.URL), {
  requestInit: { headers: { authorization: `Bearer ${process.env.KEY}` } },
});
await run(client, transport);
