"""Runs one command for as long as the process that started this one lives.

The parent holds the write end of our standard input and never writes: end of file means that it is
gone, however it went (SIGKILL included), on every system. Then the command gets ``--signal``, and
after ``--patience`` seconds SIGKILL, and ``--remove`` is deleted. Used as a script, so it
imports the standard library only.
"""

from __future__ import annotations

import argparse
import pwd
import shutil
import signal
import subprocess
import sys
import threading


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--signal", default="SIGTERM", help="what asks the command to stop")
    parser.add_argument("--patience", type=float, default=10, help="seconds before SIGKILL")
    parser.add_argument("--user", help="run the command as this user (needs root)")
    parser.add_argument("--remove", help="directory to delete when the command has ended")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()

    # Ctrl-C belongs to the parent; it tells us by closing the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(
        options.command,
        stdin=subprocess.DEVNULL,
        user=options.user,
        group=pwd.getpwnam(options.user).pw_gid if options.user else None,
        extra_groups=[] if options.user else None,
        start_new_session=True,
    )
    threading.Thread(
        target=_stop_at_end_of_input, args=(child, options.signal, options.patience), daemon=True
    ).start()
    code = child.wait()
    if options.remove:
        shutil.rmtree(options.remove, ignore_errors=True)
    return code


def _stop_at_end_of_input(child: subprocess.Popen[bytes], name: str, patience_s: float) -> None:
    while sys.stdin.buffer.read(1):
        pass
    child.send_signal(signal.Signals[name])
    try:
        child.wait(patience_s)
    except subprocess.TimeoutExpired:
        child.kill()


if __name__ == "__main__":
    sys.exit(main())
