"""A pilot's traces behind a collector and a backend that are not ours: rotel hands on what Phoenix keeps."""
import datetime, json, os, secrets, time

from gateway import Gateway
from house import listening, port, start, until, venv

AGENT, PILOT, TRACED, PLAIN = "spiffe://example.org/agent/pilot", "PI-PEERS", "EX-PEERS-TRACED", "EX-PEERS-PLAIN"
CONVERT, NOW = "time__convert_time", "time__get_current_time"
REQUESTER, OWNER, APPROVERS = "rachel@example.org", "olga@example.org", ("alan@example.org", "sonia@example.org")
PEOPLE = """
people:
  olga@example.org: {duties: [own]}
  omar@example.org: {duties: [approve]}
  rachel@example.org: {duties: [request]}
  alan@example.org: {duties: [approve]}
  sonia@example.org: {duties: [approve, security]}
"""
BEGUN = datetime.datetime.now(datetime.timezone.utc)
# A marker each second, looked for during two: a backend that is lost is known to be lost within three.
LEASE = 3


class Rotel:
    """The collector between the gateway and Phoenix."""

    def __init__(self, work, phoenix):
        self.work, self.phoenix, self.otlp, self.process = work, phoenix, port(), None
        lib = os.path.dirname(os.path.dirname(venv("backends"))) + "/lib"
        self.agent = next(f"{lib}/{python}/site-packages/rotel/rotel-agent" for python in os.listdir(lib))

    def start(self, drops=False):
        """With `drops` it acknowledges what comes and hands on nothing."""
        on = ["--exporter", "blackhole"] if drops else [
            "--exporter", "otlp", "--otlp-exporter-endpoint", f"http://127.0.0.1:{self.phoenix.otlp}", "--otlp-exporter-protocol", "grpc"]
        self.process = start([self.agent, "start", *on, "--otlp-grpc-endpoint", f"127.0.0.1:{self.otlp}",
                              "--otlp-http-endpoint", f"127.0.0.1:{port()}"], self.work / "rotel.log")
        until("rotel", 20, lambda: listening(self.otlp))

    def kill(self):
        self.process.kill()
        self.process.wait()


class Traces:
    def __init__(self, work, phoenix):
        self.phoenix, self.rotel = phoenix, Rotel(work, phoenix)
        servers = "  time: " + json.dumps({"stdio": {"command": venv("modern", "mcp-server-time"), "args": ["--local-timezone", "UTC"],
                                                     "pass_env": ["PATH"]}, "trust": "first_use"})
        probe = f'probe: {{phoenix: "{phoenix.base}", project: pilot, every_s: 1, within_s: 2}}'
        telemetry = f'telemetry: {{otlp: "http://127.0.0.1:{self.rotel.otlp}", sample_ratio: 0, {probe}}}'
        self.gateway = Gateway(work, servers, {AGENT: "nobody"}, {}, telemetry, PEOPLE)

    def start(self):
        self.rotel.start()
        self.gateway.start([AGENT], OTEL_RESOURCE_ATTRIBUTES="openinference.project.name=pilot")
        for person in (REQUESTER, *APPROVERS):
            self.gateway.person(person)
        until("the tools", 60, lambda: {"convert_time", "get_current_time"} <= set(self.digests()))
        self.submit("pilot", self.pilot())
        digests = self.digests()
        duty = {"id": "traced", "obligation": "trace.full", "definition": "Every call leaves a whole trace."}
        kept = {"id": "kept", "obligation": "audit.write_ahead", "definition": "Each call is on record before it leaves."}
        for name, tool, control in ((TRACED, "convert_time", duty), (PLAIN, "get_current_time", kept)):
            self.submit("exception", self.record(name, tool, digests[tool], control))
            for person in APPROVERS:
                self.gateway.run("exception", "approve", name, by=person)

    def digests(self):
        return {one["tool"]: one["digest"] for one in json.loads(self.gateway.run("catalog", "list").stdout)["tools"]}

    def submit(self, kind, what):
        file = self.gateway.work / f"{kind}.json"
        file.write_text(json.dumps(what))
        self.gateway.run(kind, "submit", str(file), by=REQUESTER)

    @staticmethod
    def window():
        told = [at.strftime("%Y-%m-%dT%H:%M:%SZ") for at in (BEGUN, BEGUN + datetime.timedelta(days=7))]
        return {"not_before": told[0], "not_after": told[1]}

    def pilot(self):
        return {"apiVersion": "postern/v1", "id": PILOT, "title": "The time of other places", "owner": {"human": OWNER, "team": "peers"},
                "cohort": [AGENT], **self.window(), "exit": {"target_role": "clerk", "criteria": "It went well."},
                "rationale": "The tests show that the traces of a pilot are found by its name in a backend that is not ours."}

    def record(self, name, tool, digest, control):
        return {"apiVersion": "postern/v1", "id": name, "kind": "pilot", "category": "mitigated", "pilot": PILOT, "subject": {"agents": [AGENT]},
                "grant": {"server": "time", "tools": [tool], "descriptor_digest": digest},
                "deviation": {"rule": "rbac.default", "constraint": "There is no role yet.", "objective": "Least privilege.",
                              "identified_risk": "The tool is misused.", "residual_risk": "low"},
                "rationale": "The tests show that the traces of a pilot are found by its name in a backend that is not ours.",
                "owner": {"human": OWNER, "team": "peers"}, **self.window(), "budget": {"calls": 10000}, "controls": [control],
                "attestation": {"every": "P7D", "grace": "PT24H"}, "governance": {"channel": "board"},
                "exit": {"type": "graduate", "target_role": "clerk", "criteria": "It went well."}}

    def call(self, tool, arguments):
        """The reason of the refusal, nothing if it was answered; the caller says that it does not sample."""
        trace = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
        answer = self.gateway.call(AGENT, tool, arguments, traceparent=trace)
        result = answer.get("result", {})
        if "error" in answer or result.get("isError"):
            return result.get("_meta", {}).get("dev.postern/refusal", {}).get("reason") or json.dumps(answer)
        return ""

    def convert(self, zone="UTC"):
        return self.call(CONVERT, {"source_timezone": zone, "time": "12:00", "target_timezone": "Asia/Tokyo"})

    def now(self):
        return self.call(NOW, {"timezone": "UTC"})

    def uses(self, name):
        """Where the intents of uses stand in the journal, and the trace of each."""
        return {seq: one["caller"].get("trace") for seq, one in self.gateway.journal()
                if one["kind"] == "intent" and one["verdict"].get("exception") == name}

    def found(self, key, value, **more):
        """The SERVER spans that Phoenix finds by an attribute: the place in the journal of each, and its trace."""
        spans = self.phoenix.search("pilot", attribute=f"{key}:{value}", **more)
        return {place: span["context"]["trace_id"] for span in spans
                if (place := attribute(span, "postern.audit.seq")) is not None and attribute(span, "postern.authz.decision") == "allow"}

    def state(self, name):
        """The last act on the exception, and why it was done."""
        acts = [one for _, one in self.gateway.journal() if one["kind"] == "lifecycle" and one["exception"] == name]
        return acts[-1]["event"]["event"], acts[-1].get("reason", "")

    def suspended(self, name):
        event, why = self.state(name)
        return event == "suspended" and why.startswith("monitoring_unavailable")

    def reconcile(self, *more):
        """Whether each use has its trace in Phoenix, and what was said."""
        words = ("traces", "reconcile", "--phoenix", self.phoenix.base, "--project", "pilot", *more)
        done = self.gateway.run(*words, check=False)
        return done.returncode == 0, json.loads(done.stdout or "{}"), done.stdout + done.stderr


def attribute(span, key):
    """An attribute of a span of Phoenix, which keeps them flat or as a tree."""
    found = span.get("attributes", {})
    if key in found:
        return found[key]
    for part in key.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def play(rows, traces):
    steps = (found_by_name, an_outage, a_collector_that_drops, a_backend_that_is_gone, a_trace_that_is_deleted)
    for step in steps:
        step(rows, traces)


def found_by_name(rows, traces):
    until("the exception works", 30, lambda: traces.convert() == "")
    good = [traces.convert() == "" for _ in range(4)] + [traces.now() == "" for _ in range(3)]
    rows.add("rotel, Phoenix", "uses of the pilot", all(good), good)
    rows.add("rotel, Phoenix", "reconcile: 100 %", *told(traces.reconcile("--within", "20")))
    for name in (TRACED, PLAIN):
        wanted, found = traces.uses(name), traces.found("postern.exception.id", name)
        rows.add("rotel, Phoenix", f"by exception: {name}", len(wanted) > 2 and wanted == found, f"{wanted} {found}")
    wanted, found = {**traces.uses(TRACED), **traces.uses(PLAIN)}, traces.found("postern.pilot.id", PILOT)
    rows.add("rotel, Phoenix", f"by pilot: {PILOT}", wanted == found, f"{wanted} {found}")


def lost(rows, traces, what):
    """What needs the trace is refused and suspended in time; what does not goes on."""
    begun = time.monotonic()
    until("a refusal", LEASE + 5, lambda: traces.convert() == "monitoring_unavailable")
    took = time.monotonic() - begun
    rows.add("rotel, Phoenix", f"{what}: refused in time", took <= LEASE + 1, f"{took:.1f} s")
    until("the suspension", 5, lambda: traces.suspended(TRACED))
    good = [traces.now() for _ in range(3)]
    rows.add("rotel, Phoenix", f"{what}: the other goes on", good == [""] * 3 and not traces.suspended(PLAIN), good)


def back(rows, traces, what):
    until("the exception works again", 30, lambda: traces.convert() == "")
    rows.add("rotel, Phoenix", f"{what}: works again", traces.state(TRACED)[0] == "resumed", traces.state(TRACED))


def an_outage(rows, traces):
    traces.rotel.kill()
    lost(rows, traces, "rotel killed")
    traces.rotel.start()
    rows.add("rotel, Phoenix", "rotel is back: 100 %", *told(traces.reconcile("--within", "30")))
    wanted, found = traces.uses(PLAIN), traces.found("postern.exception.id", PLAIN)
    rows.add("rotel, Phoenix", "uses of the outage are found", len(wanted) >= 6 and wanted == found, f"{wanted} {found}")
    back(rows, traces, "rotel is back")


def a_collector_that_drops(rows, traces):
    """It says success and hands on nothing: only who looks into the backend knows."""
    traces.rotel.kill()
    before = set(traces.uses(PLAIN))
    traces.rotel.start(drops=True)
    lost(rows, traces, "rotel drops")
    until("acknowledgements", 20, lambda: traces.gateway.run("traces", "reconcile", "--within", "5", check=False).returncode == 0)
    good, found, said = traces.reconcile("--within", "1")
    named = {one["seq"] for one in found.get("missing", []) if one["state"] == "not_in_backend"}
    missing = set(traces.uses(PLAIN)) - before
    rows.add("rotel, Phoenix", "reconcile names what is missing", not good and len(missing) >= 3 and missing <= named, f"{missing} {said}")
    traces.rotel.kill()
    traces.rotel.start()
    back(rows, traces, "rotel hands on")


def a_backend_that_is_gone(rows, traces):
    traces.phoenix.stop()
    lost(rows, traces, "Phoenix stopped")
    traces.phoenix.launch()
    traces.phoenix.wait()
    back(rows, traces, "Phoenix is back")


def a_trace_that_is_deleted(rows, traces):
    since = max(traces.uses(TRACED))
    until("one use", 20, lambda: traces.convert() == "")
    seq = max(traces.uses(TRACED))
    rows.add("rotel, Phoenix", "a use after all that: 100 %", *told(traces.reconcile("--since", str(since + 1), "--within", "20")))
    # What the collector acknowledged is noted once a second.
    traces.gateway.run("traces", "reconcile", "--since", str(since + 1), "--within", "10")
    traces.phoenix.delete(traces.uses(TRACED)[seq])
    good, found, said = traces.reconcile("--since", str(since + 1), "--within", "0")
    named = [(one["seq"], one["exception"], one["state"]) for one in found.get("missing", [])]
    rows.add("rotel, Phoenix", "reconcile names a deleted trace", not good and named == [(seq, TRACED, "not_in_backend")], said)


def told(reconciled):
    good, found, said = reconciled
    return good and found.get("percent") == 100.0 and found.get("uses", 0) > 0, said
