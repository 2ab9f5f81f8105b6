"""The container engine of this machine, Docker or Podman, by its command line.

By that and not by its API: it knows contexts, sign-ins and rootless set-ups as the user's own shell does, Podman needs
no server, and its attached output is the step's own stdout, copied by nothing of ours.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from skyrail.errors import StepError

log = logging.getLogger(__name__)

VARIABLE = "SKYRAIL_CONTAINER_ENGINE"
"""Environment variable: the name or path of the engine's command, where it is not the first of `docker`, `podman`."""


@dataclass(frozen=True)
class Engine:
    """An engine that answered, and what matters of how it is set up."""

    program: str
    podman: bool = False
    rootless: bool = False
    remapped: bool = False
    """Docker gives containers other users than those of this machine, unless told otherwise."""
    cpus: float = 0
    """CPUs of the engine's machine: more cannot be asked for."""


@dataclass(frozen=True)
class Image:
    """An image that the engine has."""

    id: str
    name: str
    """By its digest in the registry, as in `registry/train@sha256:…`; its id when it was never in one."""


def find(step: str) -> Engine:
    """Return the engine of this machine.

    Raises:
        StepError: there is none, or it does not answer; with the reason that it gives.
    """
    named = os.environ.get(VARIABLE)
    reasons = []
    for name in [named] if named else ["docker", "podman"]:
        program = shutil.which(name)
        if program is None:
            reasons.append(f"{name} is not installed")
            continue
        done = _run([program, "info", "--format", "{{json .}}"])
        try:
            info = json.loads(done.stdout)
        except ValueError:
            info = {}
        # Docker's client answers for itself even when its server does not.
        if done.returncode == 0 and not info.get("ServerErrors"):
            return understand(program, info)
        reasons.append(f"{name}: {(info.get('ServerErrors') or [last_line(done.stderr)])[0]}")
    raise StepError(
        f"Step {step!r} runs in an image, and this machine has no container engine: {'; '.join(reasons)}.",
        fix="Install Docker or Podman where the step runs, and let its user use it: `docker info` must work there. "
        "DOCKER_HOST and Docker's contexts count.",
    )


def understand(program: str, info: Mapping[str, Any]) -> Engine:
    """Return what an engine says about itself."""
    if host := info.get("host"):  # Podman, which may be installed as docker
        rootless = bool(host.get("security", {}).get("rootless"))
        return Engine(program, podman=True, rootless=rootless, cpus=float(host.get("cpus", 0)))
    options = {part for option in info.get("SecurityOptions") or [] for part in option.split(",")}
    return Engine(
        program,
        rootless="name=rootless" in options,
        remapped="name=userns" in options,
        cpus=float(info.get("NCPU", 0)),
    )


def image(engine: Engine, step: str, reference: str) -> Image:
    """Return an image, pulled when the engine does not have it.

    Raises:
        StepError: it cannot be pulled.
    """
    found = _inspect(engine, reference)
    if found is None:
        log.info("Pulling the image %s", reference)
        done = _run([engine.program, "pull", "--quiet", reference])
        found = _inspect(engine, reference) if done.returncode == 0 else None
        if found is None:
            reason = last_line(done.stderr)
            raise StepError(
                f"The image {reference} of step {step!r} is not on this machine and cannot be pulled: {reason}",
                fix=_pull_fix(reason, reference),
            )
    return Image(found["Id"], recorded(reference, found["Id"], found.get("RepoDigests") or []))


def recorded(reference: str, identity: str, digests: Sequence[str]) -> str:
    """Return the name of an image that stays the same: with its digest, or its id if it was never in a registry."""
    if "@" in reference:
        return reference
    name = _repository(reference)
    digests = [digest for digest in digests if not digest.startswith("localhost/")]  # Podman's, for what it made itself
    same = [digest for digest in digests if _repository(digest) == name]
    if same or digests:
        return (same or digests)[0]
    return identity if identity.startswith("sha256:") else f"sha256:{identity}"  # Podman leaves the prefix out


def last_line(text: str) -> str:
    """Return the last line of what a program said that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("See '", "Run '", "Using default tag"))]
    return lines[-1] if lines else "it gave no reason"


def _pull_fix(reason: str, reference: str) -> str:
    said = reason.lower()
    if any(word in said for word in ("denied", "unauthorized", "authentication")):
        registry = reference.split("/")[0]
        return f"Check the name, and sign in to its registry as the user who runs tasks: docker login {registry}"
    if any(word in said for word in ("not found", "unknown", "does not exist")):
        return "Check the name, the tag or digest, and that the image was pushed."
    return "Check that this machine reaches the registry, or load the image here by hand (docker load)."


def _repository(reference: str) -> str:
    name = reference.partition("@")[0]
    head, slash, last = name.rpartition("/")
    name = head + slash + last.partition(":")[0]
    return name.removeprefix("docker.io/").removeprefix("library/")


def _inspect(engine: Engine, reference: str) -> dict[str, Any] | None:
    done = _run([engine.program, "image", "inspect", reference])
    if done.returncode:
        return None
    return json.loads(done.stdout)[0]


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )
