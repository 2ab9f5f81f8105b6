"""A program: stop what a step started, should the step's process be gone before it could.

    python -I -S guard.py container PROGRAM NAME
    python -I -S guard.py group

It waits until its stdin is closed. Unless the last line was `over`, it stops the container of that name, or the
process group of the number on the first line: politely, then by force. It outlives a step that is killed with -9, which
is why it is a program, and uses the standard library alone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time

GRACE_SECONDS = 10
"""What a program may take to end after SIGTERM."""
OVER = "over"


def main() -> None:
    """Wait, and stop what there is to stop."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    lines = sys.stdin.read().split()
    if lines and lines[-1] == OVER:
        return
    if sys.argv[1] == "container":
        _stop_container(*sys.argv[2:])
    elif lines:
        stop_group(int(lines[0]))


def stop_group(group: int) -> None:
    """Send SIGTERM to a process group, and SIGKILL to what is left of it when the grace is over."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGTERM)
        end = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < end:
            os.killpg(group, 0)
            time.sleep(0.05)
        os.killpg(group, signal.SIGKILL)


def _stop_container(program: str, name: str) -> None:
    for command in (["stop", "-t", str(GRACE_SECONDS), name], ["rm", "--force", "--volumes", name]):
        subprocess.run([program, *command], stdin=subprocess.DEVNULL, capture_output=True, check=False)


if __name__ == "__main__":
    main()
