"""Checks a folder of tiles with software that is not ours (PyPI aics-tlog), given the log's public key alone.

Run by run.py: stranger.py TILES KEY-FILE [EARLIER-CHECKPOINT [ITS-KEY-FILE]]. Prints one line, and exits 1 with the fault if there is one.
"""

import pathlib
import sys

import aics_tlog as tlog


def main(tiles, key_file, earlier=None, earlier_key=None):
    folder = pathlib.Path(tiles)
    key = tlog.parse_vkey(pathlib.Path(key_file).read_text().strip())
    signed = tlog.verify_checkpoint(tlog.parse_note((folder / "checkpoint").read_text()), key)
    if not signed.ok:
        raise SystemExit(f"the checkpoint does not hold: {signed}")
    head = signed
    reader = tlog.FileSystemTileReader(folder)
    counts = tlog.audit_tiles(reader, head.size, head.root)
    if earlier:
        before = tlog.parse_vkey(pathlib.Path(earlier_key).read_text().strip()) if earlier_key else key
        old = tlog.verify_checkpoint(tlog.parse_note(pathlib.Path(earlier).read_text()), before)
        if not old.ok:
            raise SystemExit(f"the earlier checkpoint does not hold: {old}")
        leaves = [entry for entry in entries(folder, head.size)]
        proof = tlog.MerkleTree(leaves).consistency_proof(old.size, head.size)
        if not tlog.verify_consistency(old.size, head.size, old.root, head.root, proof):
            raise SystemExit("the log was rewritten since the earlier checkpoint")
    print(f"{head.size} records hold: {counts}")


def entries(folder, size):
    for index in range((size + 255) // 256):
        width = min(256, size - 256 * index)
        name = folder / "tile" / "entries" / f"{index:03}"
        path = name if width == 256 else name.with_name(f"{name.name}.p") / str(width)
        bundle = path.read_bytes()
        while bundle:
            length = int.from_bytes(bundle[:2], "big")
            yield bundle[2 : 2 + length]
            bundle = bundle[2 + length :]


try:
    main(*sys.argv[1:])
except Exception as error:  # what the library says, in one line
    raise SystemExit(f"{type(error).__name__}: {error}")
