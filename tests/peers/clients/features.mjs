// What both npm clients do with server-everything, through the gateway: {feature: {ok, told}} as one JSON line.
import assert from "node:assert/strict";

const { SERVER, MODE } = process.env;
const DOCUMENT = `${SERVER}+demo://resource/static/document/features.md`;
const DYNAMIC = `${SERVER}+demo://resource/dynamic/text/`;
const tool = (name) => `${SERVER}__${name}`;
export const asked = [];

// What the client answers when it is asked.
export const answers = {
  elicit: async (request) => {
    const mode = request.params.mode ?? "form";
    asked.push(mode);
    return mode === "url" ? { action: "accept" } : { action: "accept", content: { name: "Olga", integer: 7 } };
  },
  sample: async () => {
    asked.push("sampling");
    return { role: "assistant", model: "none", content: { type: "text", text: "a sampled word" } };
  },
  roots: async () => ({ roots: [{ uri: "file:///work/peers", name: "peers" }] }),
};
export const capabilities = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} };
let logged;
const log = new Promise((resolve) => (logged = resolve));
export const onLog = () => logged();

async function pages(ask, member) {
  const found = [];
  let cursor;
  do {
    const page = await ask(cursor ? { cursor } : undefined);
    found.push(...page[member]);
    cursor = page.nextCursor;
  } while (cursor);
  return found;
}

// `call(name, arguments, options)` and `watch(uri)` differ between the clients.
export async function run(client, transport, { call, watch }) {
  const text = (result) => (result.content ?? []).map((part) => part.text ?? "").join("");
  const used = async (name, args = {}, options) => {
    const result = await call(tool(name), args, options);
    assert.ok(!result.isError, text(result));
    return text(result);
  };
  const steps = {
    "prompts/list": async () =>
      assert.ok((await pages((p) => client.listPrompts(p), "prompts")).some((one) => one.name === tool("args-prompt"))),
    "prompts/get": async () => {
      const got = await client.getPrompt({ name: tool("args-prompt"), arguments: { city: "Turku", state: "Finland" } });
      assert.equal(got.messages[0].content.text, "What's weather in Turku, Finland?");
    },
    "prompt with a resource": async () => {
      const got = await client.getPrompt({ name: tool("resource-prompt"), arguments: { resourceType: "Text", resourceId: "3" } });
      assert.ok(got.messages.some((one) => one.content.resource?.uri === DYNAMIC + "3"), JSON.stringify(got));
    },
    "resources/list": async () =>
      assert.ok((await pages((p) => client.listResources(p), "resources")).some((one) => one.uri === DOCUMENT)),
    "resources/read": async () => {
      const [got] = (await client.readResource({ uri: DOCUMENT })).contents;
      assert.ok(got.uri === DOCUMENT && got.text.includes("#"));
    },
    "resources/templates/list": async () => {
      const listed = await pages((p) => client.listResourceTemplates(p), "resourceTemplates");
      assert.ok(listed.some((one) => one.uriTemplate === DYNAMIC + "{resourceId}"));
      assert.match((await client.readResource({ uri: DYNAMIC + "7" })).contents[0].text, /^Resource 7:/);
    },
    "link in a result": async () => {
      const link = (await call(tool("get-resource-links"), { count: 1 })).content.find((part) => part.type === "resource_link");
      assert.ok(link.uri.startsWith(SERVER + "+"), link.uri);
      assert.ok((await client.readResource({ uri: link.uri })).contents.length);
    },
    completion: async () => {
      const ref = { type: "ref/prompt", name: tool("completable-prompt") };
      let got = await client.complete({ ref, argument: { name: "department", value: "E" } });
      assert.deepEqual(got.completion.values, ["Engineering"]);
      got = await client.complete({ ref, argument: { name: "name", value: "" }, context: { arguments: { department: "Sales" } } });
      assert.deepEqual(got.completion.values, ["David", "Eve", "Frank"]);
      const template = { type: "ref/resource", uri: DYNAMIC + "{resourceId}" };
      got = await client.complete({ ref: template, argument: { name: "resourceId", value: "12" } });
      assert.deepEqual(got.completion.values, ["12"]);
    },
    progress: async () => {
      const seen = [];
      const onprogress = ({ progress, total }) => seen.push([progress, total]);
      await used("trigger-long-running-operation", { duration: 0.6, steps: 3 }, { onprogress });
      // The server may ask for roots in the middle. A modern client then reports the round itself, without a total, and what
      // is told between two rounds is lost.
      const told = seen.filter(([, total]) => total !== undefined);
      const whole = ["[[1,3],[2,3],[3,3]]", "[[2,3],[3,3]]", "[[1,3],[3,3]]"];
      assert.ok(whole.includes(JSON.stringify(told)), JSON.stringify(seen));
    },
    logging: async () => {
      if (MODE === "legacy") await client.setLoggingLevel("debug");
      await used("toggle-simulated-logging");
      let timer;
      const late = new Promise((_, no) => (timer = setTimeout(() => no(new Error("no log message after 4 s")), 4000)));
      try {
        await Promise.race([log, late]);
      } finally {
        clearTimeout(timer);
        await used("toggle-simulated-logging");
      }
    },
    sampling: async () => {
      assert.match(await used("trigger-sampling-request", { prompt: "a word", maxTokens: 10 }), /a sampled word/);
      assert.ok(asked.includes("sampling"));
    },
    elicitation: async () => assert.match(await used("trigger-elicitation-request"), /Name: Olga[^]*Favorite Integer: 7/),
    "elicitation by URL": async () => {
      const args = { url: "https://example.org/consent", message: "Look here", errorPath: false };
      assert.match(await used("trigger-url-elicitation", args), /completed/);
      assert.ok(asked.includes("url"));
    },
    roots: async () => assert.match(await used("get-roots-list"), /file:\/\/\/work\/peers/),
    subscription: async () => watch(DYNAMIC + "7"),
  };
  await client.connect(transport);
  const out = {};
  for (const [name, step] of Object.entries(steps)) {
    let timer;
    const late = new Promise((_, no) => (timer = setTimeout(() => no(new Error("not done after 10 s")), 10_000)));
    try {
      await Promise.race([step(), late]);
      out[name] = { ok: true };
    } catch (error) {
      out[name] = { ok: false, told: String(error).slice(0, 500) };
    } finally {
      clearTimeout(timer);
    }
  }
  console.log(JSON.stringify(out));
  await client.close();
  process.exit(0);
}
