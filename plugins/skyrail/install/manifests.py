"""What the chart renders, as objects: their pods, and what these need of the cluster."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

Object = dict[str, Any]
Key = tuple[str, str, str]

_QUANTITY = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)(m|[kMGTPE]|[KMGTPE]i)?")
_FACTORS = {
    "m": 1e-3, "": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60,
}  # fmt: skip


def load(text: str) -> list[Object]:
    """Read what `helm template` prints."""
    return [one for one in yaml.load_all(text, yaml.CSafeLoader) if one]


def key(one: Mapping[str, Any]) -> Key:
    """Return kind, name and namespace of an object: the parts of a team have the same names in its namespace."""
    return one["kind"], one["metadata"]["name"], one["metadata"].get("namespace") or ""


def spaces(objects: Iterable[Object], home: str) -> list[str]:
    """Return the namespaces that objects are in, the release's own first."""
    return list(dict.fromkeys([home, *sorted(filter(None, (key(one)[2] for one in objects)))]))


def amount(quantity: Any) -> float:
    """Return a quantity of Kubernetes as a number: CPUs, bytes, pieces."""
    match = _QUANTITY.fullmatch(str(quantity).strip())
    if not match:
        raise ValueError(f"{quantity!r} is no quantity of Kubernetes")
    return float(match[1]) * _FACTORS[match[2] or ""]


def said(value: float, resource: str) -> str:
    """Return an amount for people: `1.5` CPUs, `900Mi`, `3`."""
    if "memory" in resource or "storage" in resource:
        for unit in ("Ti", "Gi", "Mi", "Ki"):
            if value >= _FACTORS[unit]:
                return f"{math.ceil(value / _FACTORS[unit] * 10) / 10:g}{unit}"
    return f"{math.ceil(value * 1000) / 1000:g}"


def pods(objects: Iterable[Object]) -> Iterator[tuple[str, Object, int]]:
    """Return the pods that objects make: of whom, the template, and how many at once."""
    for one in objects:
        name, spec = "/".join(key(one)[:2]), one.get("spec") or {}
        if one["kind"] in ("Deployment", "StatefulSet"):
            yield name, spec["template"], int(spec.get("replicas", 1))
        elif one["kind"] == "Job":
            yield name, spec["template"], 1
        elif one["kind"] == "CronJob":
            yield name, spec["jobTemplate"]["spec"]["template"], 1


def claims(objects: Iterable[Object]) -> Iterator[tuple[str, Object, int]]:
    """Return the claims of volumes that objects make: name, spec, and how many."""
    for one in objects:
        if one["kind"] == "PersistentVolumeClaim":
            yield one["metadata"]["name"], one["spec"], 1
        elif one["kind"] == "StatefulSet":
            for claim in one["spec"].get("volumeClaimTemplates") or []:
                name = f"{claim['metadata']['name']}-{one['metadata']['name']}"
                yield name, claim["spec"], int(one["spec"].get("replicas", 1))


def containers(spec: Mapping[str, Any]) -> list[Object]:
    """Return all containers of a pod's spec, those of its start first."""
    return [*(spec.get("initContainers") or []), *spec["containers"]]


def pod_needs(spec: Mapping[str, Any], which: str) -> dict[str, float]:
    """Return what a pod asks for, `requests` or `limits`, as the scheduler and quotas count it.

    The larger of what runs together and of each step of the start, beside the sidecars started before it
    (https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers).
    """
    sidecars: Counter[str] = Counter()
    start: dict[str, float] = {}
    for one in spec.get("initContainers") or []:
        asked = _asked(one, which)
        if one.get("restartPolicy") == "Always":
            sidecars = _sum(sidecars, asked)
            continue
        for resource, value in _sum(sidecars, asked).items():
            start[resource] = max(start.get(resource, 0), value)
    together = sidecars
    for one in spec["containers"]:
        together = _sum(together, _asked(one, which))
    return {each: max(together.get(each, 0), start.get(each, 0)) for each in {*together, *start}}


def _asked(container: Mapping[str, Any], which: str) -> dict[str, float]:
    resources = container.get("resources") or {}
    asked = resources.get(which) or {}
    if which == "requests":  # what has a limit alone requests that
        asked = {**(resources.get("limits") or {}), **asked}
    return {name: amount(value) for name, value in asked.items()}


def _sum(one: Mapping[str, float], other: Mapping[str, float]) -> Counter[str]:
    total: Counter[str] = Counter()
    for part in (one, other):
        for name, value in part.items():
            total[name] += value  # type: ignore[assignment]
    return total


def needs(objects: Sequence[Object]) -> dict[str, float]:
    """Return what objects use of a ResourceQuota, by its names: `requests.cpu`, `pods`, `count/jobs.batch`."""
    total: Counter[str] = Counter()
    for _, template, replicas in pods(objects):
        total["pods"] += replicas
        for which in ("requests", "limits"):
            for resource, value in pod_needs(template["spec"], which).items():
                total[f"{which}.{resource}"] += value * replicas  # type: ignore[assignment]
    for _, spec, many in claims(objects):
        total["persistentvolumeclaims"] += many
        size = amount(spec["resources"]["requests"]["storage"]) * many
        total["requests.storage"] += size  # type: ignore[assignment]
        if named := spec.get("storageClassName"):
            total[f"{named}.storageclass.storage.k8s.io/requests.storage"] += size  # type: ignore[assignment]
            total[f"{named}.storageclass.storage.k8s.io/persistentvolumeclaims"] += many
    for one in objects:
        group = one["apiVersion"].rpartition("/")[0]
        plural = resource_of(one)
        total[f"count/{plural}.{group}" if group else f"count/{plural}"] += 1
        if plural in ("services", "secrets", "configmaps"):
            total[plural] += 1
    total["count/pods"] = total["pods"]
    # Old names of the same.
    total["cpu"], total["memory"] = total["requests.cpu"], total["requests.memory"]
    return dict(total)


def resource_of(one: Mapping[str, Any]) -> str:
    """Return the plural by which the API knows an object's kind."""
    kind = one["kind"].lower()
    if kind.endswith("y"):
        return f"{kind[:-1]}ies"
    return f"{kind}es" if kind.endswith("ss") else f"{kind}s"
