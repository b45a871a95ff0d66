// npm @modelcontextprotocol/sdk 1.x (legacy eras) against the gateway: prints one JSON line.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { run } from "./run.mjs";

const client = new Client({ name: "peer-sdk", version: "1.0.0" });
const transport = new StreamableHTTPClientTransport(new URL(process.env.URL), {
  requestInit: { headers: { authorization: `Bearer ${process.env.KEY}` } },
});
await run(client, transport);
