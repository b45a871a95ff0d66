"""What the shipped files say by themselves: rules, their tests, routes, the dashboard, and the names that they use."""

import json
import pathlib
import re
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SHIPPED = ROOT / "observability"
TESTS = HERE / "alerts_test.yaml"
# A name of ours, or of MCP, in an expression; a label of that kind stands before an operator or in `by (…)`.
NAME = re.compile(r"\b(?:postern|mcp)_[a-z0-9_]+\b")
LABELS = {"postern_server", "mcp_method_name", "mcp_protocol_version"}


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60)
    return done.returncode, (done.stdout + done.stderr).strip()


def alerts():
    """The alerts of the rules."""
    return re.findall(r"^ *- alert: (\w+)$", (SHIPPED / "prometheus" / "alerts.yaml").read_text(), re.MULTILINE)


def untested():
    """Alerts that no test sees firing, and those that no test sees silent."""
    text = TESTS.read_text()
    quiet = set(re.findall(r"alertname: (\w+), exp_alerts: \[\]", text))
    loud = set(re.findall(r"alertname: (\w+)\n +exp_alerts:\n", text))
    return [name for name in alerts() if name not in loud], [name for name in alerts() if name not in quiet]


def dashboard():
    return json.loads((SHIPPED / "grafana" / "postern.json").read_text())


def panels():
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def expressions():
    """Every expression of the dashboard, with what Grafana puts in its places."""
    found = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [text.replace("$__rate_interval", "1m") for text in found]


def dashboard_faults():
    """What Grafana would show as an error or one over the other."""
    faults, seen, taken = [], set(), {}
    board = dashboard()
    if not board.get("uid") or not board.get("title") or board.get("schemaVersion", 0) < 36:
        faults.append("uid, title or schemaVersion")
    variables = {one["name"] for one in board["templating"]["list"]}
    for panel in board["panels"]:
        name = f"panel {panel['id']} ({panel['title']})"
        if panel["id"] in seen:
            faults.append(f"{name}: the id stands twice")
        seen.add(panel["id"])
        place = panel["gridPos"]
        if place["x"] + place["w"] > 24:
            faults.append(f"{name}: wider than the grid")
        for cell in [(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])]:
            if cell in taken:
                faults.append(f"{name}: lies over {taken[cell]}")
                break
            taken[cell] = name
        if panel["type"] == "row":
            continue
        if not panel.get("targets") or not panel.get("description"):
            faults.append(f"{name}: no query or no description")
        letters = [target["refId"] for target in panel.get("targets", [])]
        if len(letters) != len(set(letters)):
            faults.append(f"{name}: a refId stands twice")
        sources = [panel["datasource"], *(target["datasource"] for target in panel.get("targets", []))]
        wanted = {variable for one in sources for variable in re.findall(r"\$\{(\w+)\}", one["uid"])}
        if wanted != {"datasource"} or not wanted <= variables:
            faults.append(f"{name}: its data source is no variable of the dashboard")
    return faults


def used_names():
    """Every metric that the shipped files use."""
    texts = expressions() + [path.read_text() for path in (SHIPPED / "prometheus").glob("*.yaml")]
    return {name for text in texts for name in NAME.findall(text)} - LABELS


def recorded_names():
    """Series that the recording rules make, and those that something uses."""
    made = set(re.findall(r"record: (postern:\S+)", (SHIPPED / "prometheus" / "recording.yaml").read_text()))
    used = {name for text in expressions() for name in re.findall(r"\bpostern:[a-z0-9_:]+", text)}
    return made, used


def documented():
    """The table of docs/telemetry.md: name -> kind."""
    rows = re.findall(r"^\| `((?:postern|mcp)_\w+)` \| (\w+) \|", (ROOT / "docs" / "telemetry.md").read_text(), re.MULTILINE)
    return dict(rows)


def samples(name, kind):
    """The names of the samples of a metric."""
    return [f"{name}_bucket", f"{name}_sum", f"{name}_count"] if kind == "histogram" else [name]


def open_metrics_faults(text):
    """What the rules of OpenMetrics 1.0 do not allow: suffixes, types, order, units, exemplars, the end."""
    faults, families, family, kind = [], set(), "", ""
    lines = text.split("\n")
    if lines[-2:] != ["# EOF", ""] or text.count("# EOF") != 1:
        faults.append("the end is not `# EOF` and a line feed")
    suffixes = {"counter": ("_total", "_created"), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count", "_created")}
    for line in lines[:-2]:
        if line.startswith("# TYPE "):
            _, _, family, kind = line.split(" ")
            if family in families:
                faults.append(f"{family} stands twice")
            families.add(family)
            if kind not in suffixes:
                faults.append(f"{family} has the type {kind}")
            if kind == "counter" and family.endswith("_total"):
                faults.append(f"{family}: `_total` belongs to the sample, not to the family")
        elif not line.startswith("#"):
            found = re.fullmatch(r"(\w+)(\{.*?\})? (\S+)( # \{trace_id=\"[0-9a-f]{32}\"\} \S+)?", line)
            name = found.group(1) if found else ""
            if not found or name not in [family + suffix for suffix in suffixes.get(kind, ())]:
                faults.append(f"a sample of another family, or malformed: {line}")
            elif found.group(4) and not name.endswith(("_total", "_bucket")):
                faults.append(f"an exemplar where there can be none: {line}")
    return faults
