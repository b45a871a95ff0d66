"""A collector that is not ours (Phoenix), and what stands in it after a call."""
import json, os, urllib.parse, urllib.request

from house import get, port, start, until, venv


class Collector:
    def __init__(self, work):
        self.work, self.web, self.otlp = work, port(), port()
        self.base = f"http://127.0.0.1:{self.web}"

    def start(self):
        (self.work / "phoenix").mkdir()
        self.launch()

    def launch(self):
        folder = self.work / "phoenix"
        self.process = start([venv("backends", "phoenix"), "serve"], self.work / "phoenix.log", env={
            **os.environ, "PHOENIX_PORT": str(self.web), "PHOENIX_GRPC_PORT": str(self.otlp), "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_WORKING_DIR": str(folder), "PHOENIX_TELEMETRY_ENABLED": "false"})

    def wait(self):
        until("Phoenix", 120, lambda: get(self.base + "/healthz") is not None)

    def stop(self):
        self.process.kill()
        self.process.wait()

    def search(self, project, **query):
        """All spans that Phoenix finds, page by page."""
        found, cursor = [], None
        while True:
            asked = urllib.parse.urlencode({**query, "limit": 1000, **({"cursor": cursor} if cursor else {})})
            page = json.loads(get(f"{self.base}/v1/projects/{project}/spans?{asked}"))
            found += page["data"]
            cursor = page.get("next_cursor")
            if not cursor:
                return found

    def delete(self, trace):
        urllib.request.urlopen(urllib.request.Request(f"{self.base}/v1/traces/{trace}", method="DELETE"), timeout=10).close()

    def spans(self, trace):
        return json.loads(get(f"{self.base}/v1/projects/peers/spans?trace_id={trace}&limit=200")).get("data", [])

    def joined(self, trace):
        """Whether SERVER, authorize and CLIENT span of a call hang below the client's own span; and the names of all."""
        if not trace:
            return False, "the client has traced nothing"
        server, judged, call = "tools/call time__get_current_time", "postern.authorize", "tools/call get_current_time"
        try:
            until("the trace", 30, lambda: {server, judged, call} <= {span["name"] for span in self.spans(trace)})
        except RuntimeError:
            pass
        found = self.spans(trace)
        by_name = {span["name"]: span for span in found}
        good = {server, judged, call} <= set(by_name)
        if good:
            above = by_name[server]["context"]["span_id"]
            good = by_name[server]["parent_id"] in {span["context"]["span_id"] for span in found} and all(
                by_name[one]["parent_id"] == above for one in (judged, call))
        return good, sorted(by_name)
