// What both npm clients do: list, call what the plan says, print.
export async function run(client, transport) {
  const plan = JSON.parse(process.env.PLAN);
  await client.connect(transport);
  const out = { tools: [], calls: {}, protocol: transport.protocolVersion ?? null };
  let cursor;
  do {
    const page = await client.listTools(cursor ? { cursor } : undefined);
    out.tools.push(...page.tools.map((tool) => tool.name));
    cursor = page.nextCursor;
  } while (cursor);
  for (const step of plan) {
    const result = await client.callTool({ name: step.tool, arguments: step.arguments });
    const text = (result.content ?? []).map((part) => part.text ?? "").join("");
    out.calls[step.name] = { error: Boolean(result.isError), text: text.slice(0, 2000), meta: result._meta ?? null };
  }
  await client.close();
  console.log(JSON.stringify(out));
}
