// npm @modelcontextprotocol/sdk 1.x (legacy eras): every feature of server-everything.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import {
  CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema, LoggingMessageNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { answers, capabilities, onLog, run } from "./features.mjs";

const client = new Client({ name: "peer-sdk", version: "1.0.0" }, { capabilities });
client.setRequestHandler(ElicitRequestSchema, answers.elicit);
client.setRequestHandler(CreateMessageRequestSchema, answers.sample);
client.setRequestHandler(ListRootsRequestSchema, answers.roots);
client.setNotificationHandler(LoggingMessageNotificationSchema, onLog);
const transport = new StreamableHTTPClientTransport(new URL(process.env.URL), {
  requestInit: { headers: { authorization: `Bearer ${process.env.KEY}` } },
});
await run(client, transport, {
  call: (name, args, options) => client.callTool({ name, arguments: args }, undefined, options),
  watch: async (uri) => {
    await client.subscribeResource({ uri });
    await client.unsubscribeResource({ uri });
  },
});
