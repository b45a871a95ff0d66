"""The real Prometheus and Alertmanager with the shipped files, and a receiver of webhooks that notes when each came."""

import http.server
import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from statics import SHIPPED


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def until(holds, seconds=15.0, pause=0.05):
    """What it gives as soon as that is something, and nothing once the time is over."""
    end = time.monotonic() + seconds
    while True:
        found = holds()
        if found or time.monotonic() > end:
            return found
        time.sleep(pause)


class Receiver:
    """Takes every POST, and keeps its path, its body and the moment."""

    def __init__(self):
        kept = self.kept = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                at = time.monotonic()
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                kept.append((self.path, at, json.loads(body)))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def pushed(self, kind):
        """Events of a kind that the gateway sent itself: (moment, event)."""
        return [(at, body) for path, at, body in list(self.kept) if path == "/push" and body["type"] == f"dev.postern.{kind}.v1"]

    def alerts(self, name, path):
        """Alerts that came from Alertmanager at a receiver: (moment, labels)."""
        groups = [(at, body) for where, at, body in list(self.kept) if where == path]
        alerts = [(at, one) for at, body in groups for one in body["alerts"] if one["status"] == "firing"]
        return [(at, one["labels"]) for at, one in alerts if one["labels"]["alertname"] == name]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Stack:
    """Prometheus and Alertmanager in a folder, with copies of the shipped files in which only addresses are others."""

    def __init__(self, folder, gateway, key, receiver):
        self.folder, self.processes = folder, []
        ports = {"127.0.0.1:8081": gateway.removeprefix("http://"), "127.0.0.1:9093": f"127.0.0.1:{free_port()}"}
        shutil.copytree(SHIPPED, folder, dirs_exist_ok=True)
        (folder / "prometheus" / "metrics.key").write_text(key)
        self.edit(folder / "prometheus" / "prometheus.yaml", ports)
        self.edit(folder / "alertmanager.yaml", {"http://127.0.0.1:9095": receiver})
        self.url = f"http://127.0.0.1:{free_port()}"
        try:
            self.begin(ports["127.0.0.1:9093"])
        except BaseException:
            self.stop()
            raise

    @staticmethod
    def edit(path, changes):
        text = path.read_text()
        for before, after in changes.items():
            if before not in text:
                raise SystemExit(f"{path.name} does not name {before}")
            text = text.replace(before, after)
        path.write_text(text)

    def begin(self, alertmanager):
        self.start("prometheus-alertmanager", f"--config.file={self.folder}/alertmanager.yaml",
                   f"--storage.path={self.folder}/alertmanager", f"--web.listen-address={alertmanager}",
                   "--cluster.listen-address=")
        self.ready(f"http://{alertmanager}/-/ready")
        self.start("prometheus", f"--config.file={self.folder}/prometheus/prometheus.yaml",
                   f"--storage.tsdb.path={self.folder}/tsdb", f"--web.listen-address={self.url.removeprefix('http://')}",
                   "--enable-feature=exemplar-storage")
        self.ready(f"{self.url}/-/ready")

    def start(self, *words):
        with open(self.folder / f"{words[0]}.log", "wb") as log:
            process = subprocess.Popen(words, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.processes.append((words[0], process))

    def ready(self, url):
        name, process = self.processes[-1]

        def answers():
            if process.poll() is not None:
                raise SystemExit(f"{name} ended:\n{(self.folder / f'{name}.log').read_text()[-2000:]}")
            try:
                with urllib.request.urlopen(url, timeout=2) as answer:
                    return answer.status == 200
            except OSError:
                return False

        if not until(answers, 30):
            raise SystemExit(f"{name} is not ready:\n{(self.folder / f'{name}.log').read_text()[-2000:]}")

    def api(self, path, **query):
        """The data of an answer of Prometheus, or a word that says why there is none."""
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            return f"HTTP {error.code}: {error.read().decode(errors='replace')[:300]}"

    def series(self, expression):
        """The result of an instant query: (labels, value)."""
        data = self.api("query", query=expression)
        if isinstance(data, str):
            raise SystemExit(f"{expression}: {data}")
        found = data["result"] if data["resultType"] == "vector" else []
        return [(one["metric"], float(one["value"][1])) for one in found]

    def stop(self):
        for _, process in self.processes:
            process.terminate()
        for _, process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
