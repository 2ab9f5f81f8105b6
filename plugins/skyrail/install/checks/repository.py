"""The git repository of DAGs: can it be read without a password, as the chart will?"""

from __future__ import annotations

import os
import subprocess

from skyrail.install.checks import Check, ok, unknown, warn


def repository(address: str, ref: str) -> Check:
    """Ask a git server for a branch or tag. No refusal: the cluster may reach what this machine does not."""
    if not address:
        return ok("DAGs", "Those in the image.")
    quiet = os.environ | {"GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=10"}
    try:
        done = subprocess.run(
            ["git", "ls-remote", "--exit-code", "--", address, ref],
            env=quiet, capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        return unknown("DAGs", "git is not on the PATH, so the repository was not asked.")
    except subprocess.TimeoutExpired:
        return warn("DAGs", f"{address} does not answer from here.", "See that the cluster reaches it.")
    return judge(address, ref, done.returncode, done.stderr)


def judge(address: str, ref: str, code: int, said: str) -> Check:
    """Return the row for what `git ls-remote --exit-code` answered."""
    if code == 0:
        return ok("DAGs", f"{ref} of {address}")
    if code == 2:
        return warn("DAGs", f"{address} has no branch or tag {ref}.", "Set dags.git.ref (--git-ref).")
    lines = [line for line in said.strip().splitlines() if line.strip()] or ["no reason given"]
    return warn(
        "DAGs",
        f"{address} cannot be read from here without a password: {lines[-1]}",
        "See that the cluster can: the chart knows no password for it.",
    )
