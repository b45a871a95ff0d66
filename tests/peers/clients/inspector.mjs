// The inspector's command line, a process for each command: lists, makes the calls of the plan, prints one JSON line.
// With POSTERN it spawns `postern stdio`, without it goes over HTTP.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const { URL: url, KEY, PLAN, POSTERN, ERA } = process.env;
const here = fileURLToPath(new globalThis.URL(".", import.meta.url));
const inspector = join(here, "../node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js");
const work = mkdtempSync(join(tmpdir(), "postern-inspector-"));
const config = join(work, "mcp.json");
const server = POSTERN
  ? { command: POSTERN, args: ["stdio", "--url", url], env: { POSTERN_KEY: KEY } }
  : { type: "streamable-http", url, headers: { Authorization: `Bearer ${KEY}` } };
writeFileSync(config, JSON.stringify({ mcpServers: { postern: server } }), { mode: 0o600 });

async function inspect(...args) {
  const all = [inspector, "--cli", "--config", config, "--server", "postern", "--protocol-era", ERA, ...args];
  // It ends with 5 when a tool says that it failed; what the tool said is on standard output then, too.
  const done = await promisify(execFile)(process.execPath, all, { timeout: 60_000 }).catch((failed) => failed);
  try {
    const said = JSON.parse(done.stdout);
    return said.result ?? said;
  } catch {
    throw new Error(`${args.join(" ")}: ${done.stdout}${done.stderr}`);
  }
}

const out = { tools: [], calls: {} };
try {
  out.tools = (await inspect("--method", "tools/list")).tools.map((tool) => tool.name);
  for (const step of JSON.parse(PLAN)) {
    const told = (value) => (typeof value === "string" ? value : JSON.stringify(value));
    const pairs = Object.entries(step.arguments).flatMap(([name, value]) => ["--tool-arg", `${name}=${told(value)}`]);
    const result = await inspect("--method", "tools/call", "--tool-name", step.tool, ...pairs);
    const text = (result.content ?? []).map((part) => part.text ?? "").join("");
    out.calls[step.name] = { error: result.isError === true, text: text.slice(0, 2000) };
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
console.log(JSON.stringify(out));
