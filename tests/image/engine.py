"""Running the images that `make image` has built."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
VERSION = re.findall(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[0]
TAG = os.environ.get("SKYRAIL_VERSION") or VERSION
"""Which images: the compose file takes the same variable."""

TARGETS = ("skyrail", "mlflow", "store")

HARD = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
"""What a restricted cluster does to a container, and more."""

WRITABLE = ("--tmpfs", "/tmp:mode=1777", "--tmpfs", "/opt/airflow:uid=0,gid=0,mode=0770")
"""The two folders that a part may write to, empty."""

ANYBODY = ("--user", "12345:0")
"""A user that the image has never heard of, in the group 0."""

ROOT_USER = ("--user", "0:0")
"""Whoever looks for something must see all."""


def name(target: str) -> str:
    """Return an image with its tag."""
    return f"skyrail/{target}:{TAG}"


def docker(*arguments: str, check: bool = True, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run a command of the engine."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=timeout)
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
    return done


def inspect(target: str) -> dict[str, Any]:
    """Return what the engine knows of an image."""
    return json.loads(docker("image", "inspect", name(target)).stdout)[0]


def run(target: str, *command: str, options: tuple[str, ...] = (), check: bool = True) -> str:
    """Run a command in an image as anybody, with nothing to write to but the two folders; return what it printed."""
    hard = (*HARD, *WRITABLE, *ANYBODY, "--network", "none")
    done = docker("run", "--rm", *hard, *options, name(target), *command, check=check)
    return (done.stdout + done.stderr).strip()


def require() -> None:
    """Skip a test where the images are not, and fail it where everything must be there."""
    try:
        missing = [target for target in TARGETS if docker("image", "inspect", name(target), check=False).returncode]
        reason = f"There is no image {', '.join(map(name, missing))}. Build it: make image" if missing else ""
    except FileNotFoundError:
        reason = "There is no container engine on this machine (the command docker)."
    if reason and os.environ.get("SKYRAIL_REQUIRE_ALL") == "1":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
