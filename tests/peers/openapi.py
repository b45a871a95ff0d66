#!/usr/bin/env python3
"""HTTP APIs of somebody else as tools: Glances (FastAPI, OpenAPI 3.1, its document fetched) and pygeoapi (Flask,
OpenAPI 3.0, its document a YAML file), through the gateway, called by PyPI mcp.

Runs with the packages of requirements/openapi.txt; POSTERN names the gateway's program.
Last line: `openapi: N passed, M failed`.
"""
import asyncio, json, os, pathlib, shutil, subprocess, sys, tempfile, time

from house import POSTERN, get, port, start, stop_all, until

BIN = pathlib.Path(sys.executable).parent
AGENT = "spiffe://example.org/agent/peer"
rows = []

GEO = """
server:
  bind: {{host: 127.0.0.1, port: {port}}}
  url: http://127.0.0.1:{port}
  mimetype: application/json; charset=UTF-8
  encoding: utf-8
  languages: [en-US]
  limits: {{default_items: 10, max_items: 50}}
  map: {{url: "https://tile.example/{{z}}/{{x}}/{{y}}.png", attribution: none}}
logging: {{level: ERROR}}
metadata:
  identification: {{title: t, description: d, keywords: [k], keywords_type: theme, terms_of_service: "https://example.org", url: "https://example.org"}}
  license: {{name: CC0, url: "https://example.org"}}
  provider: {{name: p, url: "https://example.org"}}
  contact: {{name: c, position: p, address: a, city: c, stateorprovince: s, postalcode: "1", country: x, phone: "1", fax: "1", email: a@example.org, url: "https://example.org", hours: h, instructions: i, role: pointOfContact}}
resources:
  lakes:
    type: collection
    title: Lakes
    description: Lakes of the world
    keywords: [lakes]
    links: []
    extents: {{spatial: {{bbox: [-180,-90,180,90], crs: "http://www.opengis.net/def/crs/OGC/1.3/CRS84"}}}}
    providers:
      - {{type: feature, name: CSV, data: "{work}/lakes.csv", id_field: id, geometry: {{x_field: x, y_field: y}}}}
  hello-world:
    type: process
    processor: {{name: HelloWorld}}
"""


def row(what, good, detail=""):
    rows.append(good)
    print(f"{'ok  ' if good else 'FAIL'}  {what}{'' if good else '  ' + str(detail)[:400]}", flush=True)


def bundled(text):
    """What a bundler would do: the parts that pygeoapi keeps in documents of the OGC stand in this one."""
    for url, name in (
        ("https://schemas.opengis.net/ogcapi/features/part1/1.0/openapi/ogcapi-features-1.yaml#/components/parameters/featureId", "featureId"),
        ("https://schemas.opengis.net/ogcapi/processes/part1/1.0/openapi/schemas/execute.yaml", "execute"),
        ("https://raw.githubusercontent.com/opengeospatial/ogcapi-records/master/core/openapi/parameters/sortby.yaml", "sortby"),
    ):
        text = text.replace(f"$ref: {url}\n", f'$ref: "#/x-bundled/{name}"\n')
    return text + """
x-bundled:
  featureId: {name: featureId, in: path, required: true, schema: {type: string}}
  sortby: {name: sortby, in: query, explode: false, schema: {type: array, items: {type: string}}}
  execute:
    type: object
    required: [inputs]
    properties:
      inputs: {type: object, additionalProperties: true}
"""


def configure(work, ports):
    (work / "lakes.csv").write_text("id,name,x,y\n1,Baikal,108,53\n2,Como,9.2,46\n")
    (work / "geo.yml").write_text(GEO.format(port=ports["geo"], work=work))
    env = {**os.environ, "PYGEOAPI_CONFIG": str(work / "geo.yml"), "PYGEOAPI_OPENAPI": str(work / "made.yml")}
    subprocess.run([BIN / "pygeoapi", "openapi", "generate", str(work / "geo.yml"), "--output-file", str(work / "made.yml")],
                   env=env, check=True, capture_output=True)
    (work / "geo-openapi.yml").write_text(bundled((work / "made.yml").read_text()))
    (work / "glances.key").write_text("Bearer peers-example-key-1\n")
    os.chmod(work / "glances.key", 0o600)
    (work / "postern.yaml").write_text(f"""
listen: {{agents: "127.0.0.1:{ports['agents']}", admin: "127.0.0.1:{ports['admin']}"}}
store: {{commit_timeout_ms: 5000}}
limits: {{rate_per_second: 1000, burst: 1000}}
servers:
  glances:
    openapi:
      document: "http://127.0.0.1:{ports['glances']}/openapi.json"
      url: "http://127.0.0.1:{ports['glances']}"
      headers: {{authorization: {{file: ./glances.key}}}}
    allow_private: true
    trust: first_use
  geo:
    openapi:
      document: ./geo-openapi.yml
      include: {{tags: [lakes, hello-world], operations: [getCollections]}}
    allow_private: true
    trust: first_use
""")
    policies = work / "policies"
    (policies / "roles").mkdir(parents=True)
    (policies / "agents.yaml").write_text(f"""
agents:
  {AGENT}: {{owner: olga@example.org, operator: omar@example.org, channel: board, roles: [reader]}}
""")
    (policies / "people.yaml").write_text("""
people:
  olga@example.org: {duties: [own]}
  omar@example.org: {duties: [request]}
""")
    (policies / "roles/reader.cedar").write_text("""
@id("reader")
permit (principal in Role::"reader", action, resource);
""")
    return env


def text_of(result):
    return "".join(getattr(part, "text", "") for part in result.content)


async def calls(url, key):
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    http = httpx2.AsyncClient(headers={"authorization": "Bearer " + key}, timeout=30)
    async with Client(streamable_http_client(url, http_client=http)) as client:
        tools, cursor = {}, None
        while True:
            page = await client.list_tools(cursor=cursor)
            tools |= {tool.name: tool for tool in page.tools}
            cursor = page.next_cursor
            if not cursor:
                break
        glances = [name for name in tools if name.startswith("glances__")]
        row(f"Glances: {len(glances)} operations of a fetched 3.1 document are tools", len(glances) >= 20, sorted(tools))
        geo = sorted(name for name in tools if name.startswith("geo__"))
        row(f"pygeoapi: the chosen operations of a 3.0 YAML document are tools ({len(geo)})",
            "geo__getLakesFeatures" in geo and "geo__executeHello-worldJob" in geo and "geo__getJobs" not in geo, geo)

        def named(ending):
            return next((name for name in glances if tools[name].description and ending in name), None)

        async def call(what, name, arguments, expect, error=False):
            if name not in tools:
                return row(what, False, f"no tool {name}")
            result = await client.call_tool(name, arguments)
            said = text_of(result)
            row(what, bool(result.is_error) == error and expect(said, result.structured_content), said)

        await call("Glances: a list without arguments", named("pluginslist"), {}, lambda t, s: "cpu" in json.loads(t))
        await call("Glances: an argument in the path; the answer is an object", named("_api_plugin_get") or named("_api_api_4__plugin__get"),
                   {"plugin": "mem"}, lambda t, s: s and s["total"] > 0)
        await call("Glances: an unknown plugin is an error with the API's own text", named("_api_api_4__plugin__get"),
                   {"plugin": "nothing"}, lambda t, s: "400" in t and "nothing" in t, error=True)
        await call("Glances: no argument becomes another path", named("_api_api_4__plugin__get"),
                   {"plugin": "../../openapi.json"}, lambda t, s: "nothing was sent" in t, error=True)
        clear = next((name for name in glances if "clear" in name and "warning" in name), "no clear")
        await call("Glances: a POST without a body", clear, {}, lambda t, s: True)
        row("Glances: a GET is marked as reading, a POST is not",
            clear in tools and tools[clear].annotations.read_only_hint is False
            and tools[named("pluginslist")].annotations.read_only_hint is True, clear)

        await call("pygeoapi: the features of a collection, with a query", "geo__getLakesFeatures", {"limit": 1},
                   lambda t, s: s and len(s["features"]) == 1)
        await call("pygeoapi: a list in the query", "geo__getLakesFeatures", {"bbox": [0, 40, 20, 50]},
                   lambda t, s: [f["properties"]["name"] for f in s["features"]] == ["Como"])
        await call("pygeoapi: one feature by its id in the path", "geo__getLakesFeature", {"featureId": "1"},
                   lambda t, s: s["properties"]["name"] == "Baikal")
        await call("pygeoapi: a feature that is not there", "geo__getLakesFeature", {"featureId": "7"},
                   lambda t, s: "404" in t, error=True)
        await call("pygeoapi: a POST with a JSON body", "geo__executeHello-worldJob",
                   {"body": {"inputs": {"name": "Postern", "message": "knock knock"}}}, lambda t, s: "Hello Postern! knock knock" in t)
        try:
            result = await client.call_tool("geo__executeHello-worldJob", {"body": {"input": {}}})
            refused, said = bool(result.is_error), text_of(result)
        except Exception as error:
            refused, said = True, str(error)
        row("pygeoapi: a body that breaks the document's schema is not sent", refused and "inputs" in said, said)


def main():
    work = pathlib.Path(tempfile.mkdtemp(prefix="postern-openapi-"))
    ports = {name: port() for name in ("agents", "admin", "glances", "geo")}
    env = configure(work, ports)
    print("openapi: starting the APIs and the gateway", flush=True)
    start([BIN / "glances", "-w", "--bind", "127.0.0.1", "--port", str(ports["glances"]), "--disable-webui"], work / "glances.log", cwd=work)
    start([BIN / "pygeoapi", "serve"], work / "geo.log", env=env, cwd=work)
    until("Glances", 60, lambda: get(f"http://127.0.0.1:{ports['glances']}/openapi.json"))
    until("pygeoapi", 60, lambda: get(f"http://127.0.0.1:{ports['geo']}/conformance?f=json"))
    doctor = subprocess.run([POSTERN, "--config", work / "postern.yaml", "doctor"], capture_output=True, text=True)
    row("doctor shows both APIs and what a document leaves out",
        doctor.returncode == 0 and "openapi" in doctor.stdout and "does without a parameter" in doctor.stdout, doctor.stdout + doctor.stderr)
    start([POSTERN, "--config", work / "postern.yaml", "serve"], work / "postern.log")
    admin = f"http://127.0.0.1:{ports['admin']}"
    until("the gateway", 60, lambda: get(admin + "/readyz") is not None)
    made = subprocess.run([POSTERN, "--config", work / "postern.yaml", "--output", "json", "key", "create", "--agent", AGENT, "--days", "1"],
                          capture_output=True, text=True)
    if made.returncode != 0:
        raise SystemExit(f"key create: {made.stderr}")
    ready = lambda: all(word in (work / "postern.log").read_text() for word in ("OpenAPI 3.0", "OpenAPI 3.1"))
    until("both documents", 30, ready)
    time.sleep(0.5)
    try:
        asyncio.run(calls(f"http://127.0.0.1:{ports['agents']}/mcp", json.loads(made.stdout)["key"]))
    finally:
        log = (work / "postern.log").read_text(errors="replace")
        row("no credential stands in the log", "peers-example-key-1" not in log)
        if not all(rows):
            sys.stderr.write(f"logs: {work}\n{log[-3000:]}")
    if all(rows):
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    try:
        main()
    except BaseException as error:
        row("the run itself", False, f"{type(error).__name__}: {error}")
    finally:
        stop_all()
    print(f"openapi: {sum(rows)} passed, {len(rows) - sum(rows)} failed")
    sys.exit(0 if all(rows) else 1)
