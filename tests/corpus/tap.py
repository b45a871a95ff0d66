"""Stands between a client and the server that it starts, and writes down every line: `tap.py FILE COMMAND...`."""
import subprocess, sys, threading

log = open(sys.argv[1], "ab", buffering=0)
child = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
one_at_a_time = threading.Lock()


def carry(mark, source, sink):
    for line in source:
        with one_at_a_time:
            log.write(mark + line)
        sink.write(line)
        sink.flush()
    sink.close()


threading.Thread(target=carry, args=(b"> ", sys.stdin.buffer, child.stdin), daemon=True).start()
carry(b"< ", child.stdout, sys.stdout.buffer)
