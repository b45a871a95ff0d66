"""A running Postern's log, verified by software that is not ours, and every change of it found. `make evidence` runs it.

The last line is `evidence: N passed, M failed`.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import away

HERE = pathlib.Path(__file__).resolve().parent
POSTERN = HERE.parents[1] / "target" / "debug" / "postern"
STRANGER = HERE / ".venv" / "bin" / "python"
results = []


def check(name, good, why=""):
    results.append(bool(good))
    print(f"{'ok  ' if good else 'FAIL'} {name}" + (f": {why}" if why and not good else ""), flush=True)


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60)
    return done.returncode, (done.stdout + done.stderr).strip()


class Gateway:
    def __init__(self, folder):
        self.folder = folder
        (folder / "policies").mkdir(exist_ok=True)
        self.config = folder / "postern.yaml"
        self.config.write_text("listen: {agents: '127.0.0.1:0', admin: '127.0.0.1:0'}\ndata: ./data\npolicies: ./policies\n")

    def __enter__(self):
        command = [str(POSTERN), "--config", str(self.config), "serve"]
        self.process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in self.process.stdout:
            if line.startswith("Administration: "):
                self.admin = line.split()[1]
                break
        self.key = (self.folder / "data" / "admin.key").read_text().strip()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)

    def ask(self, path, body=None, key=True):
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if key else {})
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(self.admin + path, data, headers), timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


def grow(gateway, records):
    done = 0
    for _ in range(records):
        status, _ = gateway.ask("/api/v1/keys", {"person": "postern-admin", "days": 1})
        done += status == 201
    return done


def size(note):
    return int(note.split("\n")[1])


def served(gateway, least):
    """The checkpoint over HTTP, once it signs so many records."""
    for _ in range(100):
        status, note = gateway.ask("/log/checkpoint")
        if status == 200 and size(note.decode()) >= least:
            return note.decode()
        time.sleep(0.1)
    raise SystemExit(f"no checkpoint over {least} records")


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-evidence-"))
    tiles, key = folder / "data" / "tiles", folder / "data" / "signing.pub"
    gateway = Gateway(folder)
    with gateway:
        made = grow(gateway, 300)
        check("300 acts are on record", made == 300, made)
        earlier = served(gateway, 300)
        (folder / "earlier").write_text(earlier)
        status, tile = gateway.ask("/log/tile/0/000")
        check("a tile of hashes is served", status == 200 and len(tile) == 256 * 32, status)
        check("nobody reads tiles without a key", gateway.ask("/log/tile/0/000", key=False)[0] == 401)
        check("records need the duty to audit", gateway.ask("/log/tile/entries/000")[0] == 403)
        check("no other path is read", gateway.ask("/log/tile/0/..%2f..%2fseal.key")[0] in (400, 404))
        code, said = run(STRANGER, HERE / "stranger.py", tiles, key)
        check("the log of the running gateway holds", code == 0, said)
    with gateway:
        grow(gateway, 250)
        served(gateway, 550)
    code, said = run(STRANGER, HERE / "stranger.py", tiles, key, folder / "earlier")
    check("after a stop and a start the log only grew", code == 0, said)
    ours(folder, tiles, key)
    changed(folder, tiles, key)
    rotated(gateway, folder, tiles, key)
    away.away(sys.modules[__name__], folder)
    print(f"evidence: {sum(results)} passed, {len(results) - sum(results)} failed")
    shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if all(results) else 1)


def rotated(gateway, folder, tiles, key):
    """Another key signs: a stranger needs the one in force, our own verify any key of the line."""
    old = folder / "old.pub"
    shutil.copy(key, old)
    with gateway:
        status, answer = gateway.ask("/api/v1/evidence/rotate", {"reason": "a new quarter"})
        check("another key signs from now on", status == 200, answer)
        grow(gateway, 20)
        served(gateway, json.loads(answer)["seq"] + 20)
    check("the log keeps its name", key.read_text().split("+")[0] == old.read_text().split("+")[0])
    code, said = run(STRANGER, HERE / "stranger.py", tiles, key, folder / "earlier", old)
    check("a stranger who has the new key verifies the log", code == 0, said)
    check("a stranger refuses the old key for it", run(STRANGER, HERE / "stranger.py", tiles, old)[0] != 0)
    for one in (old, key):
        for copy in (tiles, folder / "data"):
            code, said = run(POSTERN, "evidence", "verify", copy, "--key", one, "--checkpoint", folder / "earlier")
            check(f"our verify holds on `{copy.name}` by `{one.name}` alone", code == 0, said)


def ours(folder, tiles, key):
    """Our own commands on copies: tiles, an export, the data folder; and proofs by themselves."""
    (folder / "export").write_text(subprocess.run([POSTERN, "evidence", "export", "--data", folder / "data"],
                                                  capture_output=True, text=True).stdout)
    for copy in (tiles, folder / "export", folder / "data"):
        code, said = run(POSTERN, "evidence", "verify", copy, "--key", key, "--checkpoint", folder / "earlier")
        check(f"our verify holds on `{copy.name}`", code == 0, said)
        proof = folder / f"{copy.name}.tlog-proof"
        proof.write_text(run(POSTERN, "evidence", "prove", copy, "--seq", "299")[1] + "\n")
        code, said = run(POSTERN, "evidence", "verify", "--proof", proof, "--key", key)
        check(f"a record of `{copy.name}` is proven", code == 0 and "in the log" in said, said)
        growth = folder / f"{copy.name}.growth"
        growth.write_text(run(POSTERN, "evidence", "consistency", copy, "--from", folder / "earlier")[1] + "\n")
        code, said = run(POSTERN, "evidence", "verify", "--proof", growth, "--checkpoint", folder / "earlier", "--key", key)
        check(f"the growth of `{copy.name}` is proven", code == 0 and "only grew" in said, said)
    text = proof.read_text()
    line = text.split("\n")[3]
    proof.write_text(text.replace(line, line[::-1].replace("=", "") + "="))
    check("a changed proof is refused", run(POSTERN, "evidence", "verify", "--proof", proof, "--key", key)[0] != 0)


def changed(folder, tiles, key):
    """One byte of each kind of file, and the size: found by the stranger and by us, with the file's name."""
    for path in ("tile/entries/001", "tile/0/000", "tile/1/000.p/2"):
        copy = folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(tiles, copy)
        target = copy / path
        content = bytearray(target.read_bytes())
        content[len(content) // 2] ^= 1
        target.write_bytes(content)
        code, said = run(STRANGER, HERE / "stranger.py", copy, key)
        check(f"a stranger finds a flipped bit of {path}", code != 0 and "TileVerificationError" in said, said)
        code, said = run(POSTERN, "evidence", "verify", copy, "--key", key)
        check("and so do we, by its name", code == 1 and "was changed" in said, said)
    shutil.rmtree(copy)
    shutil.copytree(tiles, copy)
    (copy / "tile" / "entries" / "000").unlink()
    code, said = run(POSTERN, "evidence", "verify", copy, "--key", key)
    check("records that were taken away are named", code == 1 and "records 1 to 256 are missing" in said, said)
    shutil.rmtree(copy)
    shutil.copytree(tiles, copy)
    note = (copy / "checkpoint").read_text()
    (copy / "checkpoint").write_text(note.replace(f"\n{size(note)}\n", f"\n{size(note) - 1}\n"))
    check("a stranger finds a changed size", run(STRANGER, HERE / "stranger.py", copy, key)[0] != 0)
    check("and so do we", run(POSTERN, "evidence", "verify", copy, "--key", key)[0] == 1)


main()
