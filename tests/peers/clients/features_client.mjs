// npm @modelcontextprotocol/client 2.x, modern era by negotiation: every feature of server-everything.
import assert from "node:assert/strict";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { answers, capabilities, onLog, run } from "./features.mjs";

const client = new Client({ name: "peer-client", version: "1.0.0" }, { capabilities, versionNegotiation: { mode: "auto" } });
client.setRequestHandler("elicitation/create", answers.elicit);
client.setRequestHandler("sampling/createMessage", answers.sample);
client.setRequestHandler("roots/list", answers.roots);
client.setNotificationHandler("notifications/message", onLog);
const transport = new StreamableHTTPClientTransport(new URL(process.env.URL), {
  requestInit: { headers: { authorization: `Bearer ${process.env.KEY}` } },
});
const meta = { "io.modelcontextprotocol/logLevel": "debug" };
await run(client, transport, {
  call: (name, args, options) => client.callTool({ name, arguments: args, _meta: meta }, options),
  watch: async (uri) => {
    const listen = await client.listen({ resourceSubscriptions: [uri] });
    assert.ok(JSON.stringify(listen.honoredFilter ?? listen.filter ?? uri).includes(uri));
    await listen.close();
  },
});
