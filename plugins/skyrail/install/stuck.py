"""Why a pod, a job or a volume does not become ready: read from what the cluster says about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from skyrail.install.manifests import Object

NEVER = 0.0
"""Seconds that a reason is given to heal which cannot."""
SOON = 60.0
"""Seconds for one that somebody may be about to mend, such as an image that is being pushed."""
UNTIL_DEADLINE = float("inf")

PULLING = ("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError")
WAITING = ("ContainerCreating", "PodInitializing", "")

NO_CURE = re.compile(
    r"not found|no such host|manifest unknown|unauthorized|denied|forbidden|authorization failed|no match for platform"
    r"|not exist",
    re.IGNORECASE,
)
_ANSWER = re.compile(r"(?:rpc error: code = \w+ desc = )")


@dataclass(frozen=True)
class Stuck:
    """One thing that does not go on."""

    name: str
    """Kind and name: `pod/skyrail-scheduler-…`."""
    reason: str
    """A sentence."""
    fix: str = ""
    patience: float = UNTIL_DEADLINE
    """Seconds after which it counts as hopeless."""
    log: tuple[str, ...] = ()
    """Arguments of `kubectl logs` for what it said last."""

    @property
    def topic(self) -> tuple[str, str]:
        """Return what stays the same while it is stuck: a back-off counts on, and is the same reason."""
        return self.name, re.sub(r"\d+", "", self.reason.partition("\n")[0])


def stuck(
    pods: Iterable[Object], workloads: Iterable[Object], claims: Iterable[Object], events: Sequence[Object]
) -> list[Stuck]:
    """Return all that is stuck, what others wait for first."""
    pending = [each for each in claims if (each.get("status") or {}).get("phase") == "Pending"]
    found = [one for claim in pending for one in _claim(claim, events)]
    found += [one for each in workloads for one in _workload(each, events)]
    found += [one for each in pods for one in _pod(each, events)]
    return found


def _claim(claim: Object, events: Sequence[Object]) -> list[Stuck]:
    name = claim["metadata"]["name"]
    said = _last(events, "PersistentVolumeClaim", name, "ProvisioningFailed", "FailedBinding")
    if not said:
        return []
    return [
        Stuck(
            f"volume/{name}",
            f"The volume cannot be made: {_plain(said)}",
            "Name a class that can: storage.volume.class and storage.volume.access.",
            SOON if "only supports" in said.lower() or "only support" in said.lower() else UNTIL_DEADLINE,
        )
    ]


def _workload(one: Object, events: Sequence[Object]) -> list[Stuck]:
    kind, name, status = one["kind"], one["metadata"]["name"], one.get("status") or {}
    conditions = {each["type"]: each for each in status.get("conditions") or [] if each["status"] == "True"}
    if kind == "Job" and "Failed" in conditions:
        return [
            Stuck(
                f"job/{name}",
                f"The job failed for good: {conditions['Failed'].get('message', '')}",
                "Its last lines say why.",
                NEVER,
                (f"job/{name}", "--all-containers"),
            )
        ]
    said = (conditions.get("ReplicaFailure") or {}).get("message", "")
    if not said and _wants_pods(one):
        said = _last(events, kind, name, "FailedCreate")
    if not said:
        return []
    if "exceeded quota" in said:
        fix = "Raise the quota, or ask for less: `resources` and replicas."
    elif "violates PodSecurity" in said:
        fix = "The namespace's Pod Security level does not let it in."
    else:
        fix = "The message names what refused it."
    return [Stuck(f"{kind.lower()}/{name}", f"Its pods are not let in: {_plain(said)}", fix, SOON)]


def _wants_pods(one: Object) -> bool:
    """Whether a workload has fewer pods than it should: an old event does not count once they are there."""
    spec, status = one.get("spec") or {}, one.get("status") or {}
    if one["kind"] == "Job":
        return not (status.get("active") or status.get("succeeded"))
    return int(status.get("replicas") or 0) < int(spec.get("replicas", 1))


def _pod(pod: Object, events: Sequence[Object]) -> list[Stuck]:
    name, status = pod["metadata"]["name"], pod.get("status") or {}
    if status.get("phase") == "Succeeded" or pod["metadata"].get("deletionTimestamp"):
        return []
    if status.get("phase") == "Failed" and status.get("reason") == "Evicted":
        return [Stuck(f"pod/{name}", f"It was evicted: {status.get('message', '')}", "The node lacks what it names.")]
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return [
                Stuck(
                    f"pod/{name}",
                    f"No node takes it: {condition.get('message', condition.get('reason', ''))}",
                    "Add nodes or room on them, or make `resources` smaller.",
                )
            ]
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        if found := _container(name, container, events):
            return [found]
    runs = any((each.get("state") or {}).get("running") for each in status.get("containerStatuses") or [])
    said = _last(events, "Pod", name, "FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox")
    if said and not runs:
        return [Stuck(f"pod/{name}", f"It cannot be started: {_plain(said)}", "The message names what is missing.")]
    return []


def unready(pods: Iterable[Object], events: Sequence[Object]) -> list[Stuck]:
    """Return the pods that run and do not answer their probes: normal while they start, and a reason if it lasts."""
    found = []
    for pod in pods:
        name, status = pod["metadata"]["name"], pod.get("status") or {}
        slow = [
            each["name"]
            for each in status.get("containerStatuses") or []
            if (each.get("state") or {}).get("running") and not each.get("ready")
        ]
        if slow and (said := _last(events, "Pod", name, "Unhealthy")):
            log = (name, "--container", slow[0])
            found.append(Stuck(f"pod/{name}", f"{slow[0]} runs and is not ready: {_plain(said)}", log=log))
    return found


def _container(pod: str, container: Mapping[str, Any], events: Sequence[Object]) -> Stuck | None:
    name, state = container["name"], container.get("state") or {}
    waiting = state.get("waiting") or {}
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    if reason == "InvalidImageName":
        said = f"{container['image']} is no name of an image."
        return Stuck(f"pod/{pod}", said, "Correct image.repository and image.tag (--registry).", NEVER)
    if reason == "ErrImageNeverPull":
        said = f"The image {container['image']} is not on the node, and image.pullPolicy is Never."
        return Stuck(f"pod/{pod}", said, "Load it onto the nodes, or set image.pullPolicy: IfNotPresent.", SOON)
    if reason in PULLING:
        return _pull(pod, container["image"], message, events)
    if reason == "CreateContainerConfigError":
        # The job that makes secrets may still be at it.
        return Stuck(f"pod/{pod}", f"{name} cannot start: {message}", "Make what it names.", 2 * SOON)
    ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
    if (reason == "CrashLoopBackOff" or state.get("terminated")) and ended.get("exitCode"):
        previous = () if state.get("terminated") else ("--previous",)
        return _crash(pod, name, ended, int(container.get("restartCount", 0)), previous)
    if reason not in WAITING:
        return Stuck(
            f"pod/{pod}", f"{name} cannot start: {reason}: {message}", "kubectl describe pod says more.", 2 * SOON
        )
    return None


def _pull(pod: str, image: str, message: str, events: Sequence[Object]) -> Stuck:
    # Older clusters say `Back-off pulling image` alone, and the registry's answer in an event.
    if "back-off" in message.lower() and "err" not in message.lower():
        message = _last(events, "Pod", pod, "Failed", with_text=image) or message
    # Between two tries newer clusters put their waiting in front: it is the same reason, and has waited as long.
    answer = _plain(message).removeprefix(f'Back-off pulling image "{image}": ErrImagePull: ')
    answer = answer.replace(f'Failed to pull image "{image}": ', "")
    fix = "Push the images to where nodes can fetch them, and name it: --registry REGISTRY."
    if re.search(r"unauthorized|denied|authorization failed|no basic auth", answer, re.IGNORECASE):
        fix = "Name a Secret with the registry's credentials: image.pullSecrets."
    return Stuck(
        f"pod/{pod}",
        f"The image {image} cannot be fetched: {answer}",
        fix,
        SOON if NO_CURE.search(answer) else UNTIL_DEADLINE,
    )


def _crash(pod: str, name: str, ended: Mapping[str, Any], restarts: int, previous: tuple[str, ...]) -> Stuck:
    log = (pod, "--container", name, *previous)
    if ended.get("reason") == "OOMKilled":
        fix = "Give it more: `resources.limits.memory` of that part."
        return Stuck(f"pod/{pod}", f"{name} was ended for its memory.", fix, UNTIL_DEADLINE, log)
    # One crash or two may be a server that was not there yet.
    patience = NEVER if restarts >= 4 else UNTIL_DEADLINE
    times = f", {restarts + 1} times" if restarts else ""
    return Stuck(f"pod/{pod}", f"{name} ends with exit code {ended['exitCode']}{times}.", "", patience, log)


def _last(events: Sequence[Object], kind: str, name: str, *reasons: str, with_text: str = "") -> str:
    """Return the message of the newest of some events about an object."""
    about = [
        each
        for each in events
        if each["involvedObject"].get("kind") == kind
        and each["involvedObject"].get("name") == name
        and each.get("reason") in reasons
        and with_text in (each.get("message") or "")
    ]
    about.sort(key=lambda each: each.get("lastTimestamp") or each.get("eventTime") or "")
    return str(about[-1]["message"]) if about else ""


def _plain(message: str) -> str:
    return _ANSWER.sub("", " ".join(message.split()))
