"""Wait until a release works, and say meanwhile what is stuck and why."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from skyrail.errors import SkyrailError
from skyrail.install.logs import diagnosed, waiting_for_database
from skyrail.install.manifests import Key, Object, key
from skyrail.install.programs import ProgramError, Programs
from skyrail.install.stuck import NEVER, Stuck, stuck, unready

PAUSE = 2.0
UNREADY_AFTER = 120.0
"""Seconds after which it is said that a part runs and does not answer: all parts start within one minute."""
SAID_AFTER = 10.0
"""Seconds after which a reason is shown: while all parts start, many wait for a moment for another."""
FORGOTTEN_AFTER = 120.0
"""Seconds after which a reason that was not seen again counts as new: what crashes runs for a while between."""
LOG_AFTER = 15.0
"""Seconds that migrations may run before their log is looked at."""


class StuckError(SkyrailError):
    """An install does not become ready."""


@dataclass(frozen=True)
class Part:
    """A workload, and how far it is."""

    name: str
    ready: bool
    count: str
    """Such as `1/2`."""


@dataclass(frozen=True)
class Progress:
    """All that there is to show at one moment."""

    parts: tuple[Part, ...]
    stuck: tuple[Stuck, ...]
    seconds: float

    @property
    def done(self) -> bool:
        """Whether everything is ready."""
        return all(part.ready for part in self.parts)


def part(one: Object) -> Part:
    """Return how far a Deployment, StatefulSet or Job is."""
    status, spec = one.get("status") or {}, one["spec"]
    name = f"{one['kind'].lower()}/{one['metadata']['name']}"
    if one["kind"] == "Job":
        succeeded = int(status.get("succeeded") or 0)
        return Part(name, succeeded > 0, f"{succeeded}/1")
    wanted = int(spec.get("replicas", 1))
    seen = int(status.get("observedGeneration") or 0) >= int(one["metadata"].get("generation") or 0)
    updated = int(status.get("updatedReplicas") or 0)
    ready = int(status.get("availableReplicas" if one["kind"] == "Deployment" else "readyReplicas") or 0)
    # More than wanted are pods of before, which still run.
    whole = seen and updated >= wanted and ready >= wanted and int(status.get("replicas") or 0) <= wanted
    if one["kind"] == "StatefulSet" and whole and wanted:
        whole = status.get("currentRevision") == status.get("updateRevision")
    return Part(name, whole, f"{min(ready, updated, wanted)}/{wanted}")


def wait(
    tools: Programs,
    release: str,
    objects: Sequence[Object],
    show: Callable[[Progress], None],
    *,
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return when all of a release's workloads are ready.

    Raises:
        StuckError: the time is over, or a reason was found that time does not heal.
    """
    names = {key(one) for one in objects if one["kind"] in ("Deployment", "StatefulSet", "Job")}
    began = clock()
    since: dict[tuple[str, str], float] = {}
    seen: dict[tuple[str, str], float] = {}
    while True:
        now = clock() - began
        try:
            progress = look(tools, release, names, now)
        except ProgramError as error:
            # The API may be away for a moment, as when its own node is replaced.
            waiting = tuple(Part(f"{kind.lower()}/{name}", False, "?") for kind, name, _ in sorted(names))
            progress = Progress(waiting, (Stuck("cluster", error.message, error.fix),), now)
        for each in progress.stuck:
            if now - seen.get(each.topic, now) > FORGOTTEN_AFTER:
                del since[each.topic]
            seen[each.topic] = now
            since.setdefault(each.topic, now)
        lasting = [each for each in progress.stuck if each.patience == NEVER or now - since[each.topic] >= SAID_AFTER]
        show(replace(progress, stuck=tuple(lasting)))
        if progress.done:
            return
        hopeless = [each for each in progress.stuck if now - since[each.topic] >= each.patience]
        if hopeless:
            raise _error(tools, release, hopeless, f"{release} cannot start, and waiting would not change it.")
        if now >= timeout:
            raise _error(tools, release, progress.stuck, f"{release} is not ready after {timeout:.0f} s.", progress)
        sleep(PAUSE)


def look(tools: Programs, release: str, names: set[Key], seconds: float) -> Progress:
    """Ask the cluster once."""
    found = tools.get(
        "deployments,statefulsets,jobs,pods,persistentvolumeclaims", "-l", f"app.kubernetes.io/instance={release}"
    )
    workloads = [one for one in found or () if key(one) in names]
    parts = [part(one) for one in workloads]
    there = {key(one) for one in workloads}
    parts += [Part(f"{kind.lower()}/{name}", False, "0/1") for kind, name, _ in names - there]
    if all(each.ready for each in parts):
        return Progress(tuple(sorted(parts, key=lambda each: each.name)), (), seconds)
    pods = newest([one for one in found or () if one["kind"] == "Pod" and _of_platform(one)])
    claims = [one for one in found or () if one["kind"] == "PersistentVolumeClaim"]
    events = tools.get("events") or []
    problems = stuck(pods, workloads, claims, events)
    if seconds >= UNREADY_AFTER:
        problems += unready(pods, events)
    if seconds >= LOG_AFTER:
        problems += waiting_for_database(pods)
    said = tuple(diagnosed(each, _log(tools, each)) if each.log else each for each in problems)
    return Progress(tuple(sorted(parts, key=lambda each: each.name)), said, seconds)


def newest(pods: Sequence[Object]) -> list[Object]:
    """Return pods without those that an upgrade replaces: why they do not start does not matter any more.

    A Deployment keeps them until new ones are ready.
    """
    latest: dict[tuple[str, ...], tuple[str, str]] = {}
    for pod in pods:
        made = pod["metadata"].get("creationTimestamp") or ""
        latest[_part(pod)] = max(latest.get(_part(pod), ("", "")), (made, _revision(pod)))
    return [pod for pod in pods if _revision(pod) == latest[_part(pod)][1]]


def _part(pod: Object) -> tuple[str, ...]:
    labels = pod["metadata"]["labels"]
    # Only pods of Deployments are there beside those of before.
    own = "" if _revision(pod) else pod["metadata"]["name"]
    return labels.get("app.kubernetes.io/component", ""), own


def _revision(pod: Object) -> str:
    return str(pod["metadata"]["labels"].get("pod-template-hash", ""))


def _of_platform(pod: Object) -> bool:
    """Whether a pod is the platform's own: a step that waits for a GPU is no reason for an install to wait."""
    return pod["metadata"]["labels"].get("kubernetes_executor") != "True"


def _log(tools: Programs, one: Stuck) -> str:
    done = tools.kubectl("logs", *one.log, "--tail=8", seconds=20)
    return done.out if done.code == 0 else ""


def _error(
    tools: Programs, release: str, found: Sequence[Stuck], message: str, progress: Progress | None = None
) -> StuckError:
    lines = [message]
    context = f" --context {tools.context}" if tools.context else ""
    for each in found:
        lines += [f"  {each.name}: {each.reason}"] + ([f"  → {each.fix}"] if each.fix else [])
    if not found and progress:
        lines += [f"  {each.name}: {each.count} ready" for each in progress.parts if not each.ready]
    return StuckError(
        "\n".join(lines),
        fix="What was made stays. Mend it and run the same command again, or remove it:"
        f" skyrail uninstall --namespace {tools.namespace} --release {release}{context}",
    )
