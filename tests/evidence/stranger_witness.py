"""Checks a cosigned checkpoint with software that is not ours (PyPI aics-tlog): the log's key and the witness's key.

Run by away.py: stranger_witness.py CHECKPOINT KEY-FILE WITNESS-KEY. Prints the size, and exits 1 with the fault if there is one.
"""

import pathlib
import sys

import aics_tlog as tlog


def main(note_file, key_file, witness):
    note = tlog.parse_note(pathlib.Path(note_file).read_text())
    signed = tlog.verify_checkpoint(note, tlog.parse_vkey(pathlib.Path(key_file).read_text().strip()), [tlog.parse_vkey(witness)], quorum=1)
    if not signed.ok:
        raise SystemExit(f"the checkpoint does not hold: {signed}")
    print(f"{signed.size} records are cosigned")


try:
    main(*sys.argv[1:])
except Exception as error:  # what the library says, in one line
    raise SystemExit(f"{type(error).__name__}: {error}")
