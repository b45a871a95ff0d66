"""The shipped rules, routes and dashboard with the real Prometheus and Alertmanager, over a gateway at work.

`make observability` runs it. The last line is `observability: N passed, M failed`.
"""

import json
import pathlib
import re
import shutil
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "examples"))

import stage  # noqa: E402
import statics  # noqa: E402
from stack import Receiver, Stack, until  # noqa: E402

EXCEPTION = "EX-2026-0001"
QUICKSTART = stage.EXAMPLES / "quickstart"
USES = f'postern_exception_uses_total{{exception_id="{EXCEPTION}"}}'
# What a first use may take until a person is told, in seconds.
IN_TIME = 2.0
# The same by Prometheus and Alertmanager: a scrape, an evaluation and a push later, on a machine that is busy.
BY_RULES = 5.0
# Made when something happens that does not happen here.
BORN_ON_AN_EVENT = {"mcp_client_session_duration_seconds"}
results = []


def check(name, good, why=""):
    results.append(bool(good))
    print(f"{'ok  ' if good else 'FAIL'} {name}" + (f": {why}" if why and not good else ""), flush=True)


def by_themselves():
    """No gateway is needed for these."""
    rules = sorted((statics.SHIPPED / "prometheus").glob("*.yaml"))
    rules = [path for path in rules if path.name != "prometheus.yaml"]
    code, said = statics.run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *rules)
    check("promtool takes the rules", code == 0, said)
    config = statics.SHIPPED / "prometheus" / "prometheus.yaml"
    code, said = statics.run("promtool", "check", "config", "--syntax-only", config)
    check("promtool takes the configuration", code == 0, said)
    code, said = statics.run("promtool", "test", "rules", statics.TESTS)
    check("promtool runs the tests of the alerts", code == 0, said)
    mute, never_quiet = statics.untested()
    check(f"a test sees each of the {len(statics.alerts())} alerts fire", not mute, mute)
    check("and each stay silent", not never_quiet, never_quiet)
    document = (statics.ROOT / "docs" / "alerts.md").read_text()
    untold = [name for name in statics.alerts() if f"`{name}`" not in document]
    check("docs/alerts.md says what to do about each", not untold, untold)
    code, said = statics.run("amtool", "check-config", statics.SHIPPED / "alertmanager.yaml")
    check("amtool takes the routes", code == 0, said)
    for severity, receiver in (("page", "on-call"), ("ticket", "team"), ("info", "team")):
        code, said = statics.run("amtool", "config", "routes", "test", f"--config.file={statics.SHIPPED}/alertmanager.yaml",
                                 f"severity={severity}")
        check(f"`{severity}` goes to {receiver}", code == 0 and said.split("\n")[0] == receiver, said)
    check("the dashboard is sound", not statics.dashboard_faults(), statics.dashboard_faults())
    made, used = statics.recorded_names()
    check("the dashboard uses no series that no rule records", used <= made, used - made)


def gateway_in(folder, receiver):
    """The quickstart's gateway, with a webhook of its own and a collector that does not answer."""
    shutil.copytree(QUICKSTART, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("data", "*.key"))
    shutil.copy(stage.EXAMPLES / "toolserver.py", folder)
    secret = folder / "push.secret"
    secret.write_text("a secret that only this test knows")
    secret.chmod(0o600)
    with open(folder / "postern.yaml", "a") as config:
        config.write(f"""
telemetry: {{otlp: "http://127.0.0.1:9"}}
alerts:
  webhooks:
    push: {{url: "{receiver}/push", secret_file: ./push.secret, allow_private: true}}
evidence:
  checkpoints:
    webhook: {{url: "{receiver}/checkpoints", secret_file: ./push.secret, allow_private: true}}
""")
    return stage.Gateway(folder)


def granted(gateway):
    """An agent with an exception that two people approved."""
    for name in ("rachel", "alan", "sonia"):
        gateway.key("person", f"{name}@example.org", name)
    agent = stage.Agent(gateway.agents, gateway.key("agent", "notes-assistant", "agent"))
    agent.admitted("notes__read_note", id="n-1")
    agent.refused("notes__delete_note", ["no_grant"], id="n-1")
    text = (QUICKSTART / "records" / f"{EXCEPTION}.yaml").read_text()
    values = {"DIGEST": gateway.digest("delete_note"), "NOT_BEFORE": stage.now(), "NOT_AFTER": stage.now(hours=2)}
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    gateway.write("request.yaml", text)
    gateway.run("exception", "submit", "request.yaml", by="rachel")
    for name in ("alan", "sonia"):
        gateway.run("exception", "approve", EXCEPTION, by=name)
    return agent


def exposed(gateway, accept=""):
    """`/metrics` as somebody who audits sees it."""
    key = (gateway.folder / "aiko.key").read_text().strip()
    request = urllib.request.Request(f"{gateway.admin}/metrics", headers={"Authorization": f"Bearer {key}", "Accept": accept})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def scraped(stack):
    """The target, and the rules."""
    up = until(lambda: [one for one in stack.series('up{job="postern"}') if one[1] == 1])
    check("Prometheus scrapes the gateway with the key of an auditor", up, stack.api("targets"))
    target = stack.api("targets")["activeTargets"][0]
    check("without a fault", target["health"] == "up" and not target["lastError"], target)


def first_use(gateway, stack, receiver):
    """From nothing to the first use, on both roads."""
    agent = granted(gateway)
    zero = until(lambda: stack.series(USES))
    check("the series of an exception is there at zero, before any use", zero and zero[0][1] == 0, zero)
    page = until(lambda: receiver.alerts("PosternMonitoringDown", "/on-call"))
    check("a control that does not work, with an exception alive, is a page", page and page[0][1]["monitor"] == "trace.full", page)
    time.sleep(3)
    check("no alert of a first use before there is one", not receiver.alerts("PosternExceptionFirstUse", "/team"))
    begun = time.monotonic()
    agent.admitted("notes__delete_note", id="n-1")
    pushed = until(lambda: receiver.pushed("exception.first_used"))
    took = pushed[0][0] - begun if pushed else None
    check(f"the gateway's own webhook tells the first use within {IN_TIME:.0f} s", pushed and took <= IN_TIME, took)
    check("with the exception as its subject", pushed and pushed[0][1].get("subject") == EXCEPTION, pushed)
    routed = until(lambda: receiver.alerts("PosternExceptionFirstUse", "/team"))
    by_rule = routed[0][0] - begun if routed else None
    check(f"Prometheus and Alertmanager tell it within {BY_RULES:.0f} s",
          routed and routed[0][1]["exception_id"] == EXCEPTION and by_rule <= BY_RULES, (by_rule, routed))
    grown = until(lambda: [one for one in stack.series(f"increase({USES}[1m])") if one[1] > 0])
    check("`increase()` sees the first use", grown, stack.series(USES))
    if took and by_rule:
        print(f"     from the call to the receiver: {took:.3f} s by push, {by_rule:.3f} s by Prometheus and Alertmanager")
    return agent


def traced(gateway, stack, agent):
    """From a series to the trace of a decision."""
    agent.admitted("notes__delete_note", id="n-2")
    traces = {}
    for line in gateway.run("evidence", "export", shown=False).splitlines():
        record = json.loads(json.loads(line).get("record", {}).get("payload", "{}"))
        if record.get("kind") == "intent" and record["verdict"].get("exception") == EXCEPTION:
            traces[record["caller"].get("trace")] = record["decision"]
    check("both uses have a trace in the journal", len(traces) == 2 and None not in traces, traces)

    def exemplars():
        now = time.time()
        data = stack.api("query_exemplars", query=USES, start=now - 300, end=now + 10)
        seen = {one["labels"]["trace_id"] for series in data for one in series["exemplars"]} if isinstance(data, list) else set()
        return seen if seen & set(traces) else None

    found = until(exemplars)
    check("Prometheus keeps exemplars, so it was given OpenMetrics", found, stack.api("query_exemplars", query=USES))
    check("each leads to a decision on record", found and found <= set(traces), (found, traces))
    decision = traces.get(next(iter(found or []), None), "")
    shown = gateway.run("explain", decision, by="aiko", shown=False) if decision else ""
    check("and the decision names the exception", EXCEPTION in shown, shown)


def loaded(stack):
    """The rules, each evaluated by Prometheus on what the gateway gives."""
    def all_seen():
        rules = [rule for group in stack.api("rules")["groups"] for rule in group["rules"]]
        return rules if all(rule["health"] != "unknown" for rule in rules) else None

    rules = until(all_seen, 20) or []
    bad = [(rule["name"], rule["health"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"]
    recorded, _ = statics.recorded_names()
    check("Prometheus loads every rule", {rule["name"] for rule in rules} == set(statics.alerts()) | recorded, len(rules))
    check("and evaluates each without a fault", rules and not bad, bad)
    firing = {rule["name"] for rule in rules if rule.get("state") == "firing"}
    check("no alert fires but those of what happened", firing <= {"PosternMonitoringDown", "PosternExceptionFirstUse",
          "PosternExceptionExpiringSoon", "PosternExceptionUseWithoutTrace", "PosternSinkLag"}, firing)
    failed = [(text, data) for text in statics.expressions() if isinstance(data := stack.api("query", query=text), str)]
    check(f"Prometheus takes the {len(statics.expressions())} expressions of the dashboard", not failed, failed)


def legacy_session(gateway, agent):
    """A client of an older revision opens a session, and closes it."""
    headers = {"Authorization": f"Bearer {agent.key}", "Content-Type": "application/json",
               "Accept": "application/json, text/event-stream"}
    params = {"protocolVersion": "2025-06-18", "clientInfo": {"name": "old", "version": "1"}, "capabilities": {}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    with urllib.request.urlopen(urllib.request.Request(gateway.agents, json.dumps(body).encode(), headers), timeout=10) as answer:
        headers["Mcp-Session-Id"] = answer.headers["Mcp-Session-Id"]
    urllib.request.urlopen(urllib.request.Request(gateway.agents, headers=headers, method="DELETE"), timeout=10).close()
    ended = 'mcp_server_session_duration_seconds_count{mcp_protocol_version="2025-06-18"} 1'
    check("a legacy session that ended is measured", ended in exposed(gateway)[1].split("\n"))


def named(gateway, stack):
    """Names, types and units: the document, the exposition and what uses them are the same."""
    known = statics.documented()
    kind, text = exposed(gateway)
    check("the text format is served to who asks for nothing else", kind.startswith("text/plain"), kind)
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    foreign = {name: kind for name, kind in types.items() if known.get(name) != kind}
    check("every metric that is exposed is in docs/telemetry.md with its kind", not foreign, foreign)
    absent = sorted(set(known) - set(types) - BORN_ON_AN_EVENT)
    check("every metric of docs/telemetry.md is exposed", not absent, absent)
    there = {sample for name, kind in known.items() for sample in statics.samples(name, kind)}
    check("rules and dashboard use no other", statics.used_names() <= there, statics.used_names() - there)
    kept = set(stack.api("label/__name__/values"))
    missing = sorted(name for name in statics.used_names() - kept if name not in BORN_ON_AN_EVENT)
    check("Prometheus has every series that they use", not missing, missing)
    (gateway.folder / "metrics.txt").write_text(text)
    done = statics.subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    check("promtool finds nothing wrong with names, units and help", done.returncode == 0, done.stdout + done.stderr)
    kind, text = exposed(gateway, "application/openmetrics-text; version=1.0.0")
    check("OpenMetrics is served to who asks for it", kind.startswith("application/openmetrics-text; version=1.0.0"), kind)
    faults = statics.open_metrics_faults(text)
    check("and keeps its rules", not faults and "trace_id=" in text, faults)


def at_work(folder):
    receiver, gateway, stack = Receiver(), None, None
    try:
        gateway = gateway_in(folder / "gateway", receiver.url)
        key = gateway.key("person", "aiko@example.org", "aiko")
        gateway.said(r"tools=4")
        stack = Stack(folder / "stack", gateway.admin, key, receiver.url)
        scraped(stack)
        agent = first_use(gateway, stack, receiver)
        traced(gateway, stack, agent)
        legacy_session(gateway, agent)
        named(gateway, stack)
        loaded(stack)
    finally:
        for one in (stack, gateway, receiver):
            if one:
                one.stop()


def main():
    stage.show = lambda *_: None
    by_themselves()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-observability-"))
    try:
        at_work(folder)
    except stage.Failed as failed:
        check("the story of the gateway", False, failed)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"observability: {sum(results)} passed, {len(results) - sum(results)} failed")
    sys.exit(0 if all(results) else 1)


main()
