"""What the person who installs must be allowed to do, by the objects that the chart makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from skyrail.install.checks import Check, ok, refused
from skyrail.install.manifests import Object, resource_of

VERBS = ("get", "create", "patch", "delete")


@dataclass(frozen=True, order=True)
class Right:
    """One question to the cluster, as `kubectl auth can-i` has it."""

    verb: str
    resource: str
    group: str = ""
    subresource: str = ""

    @property
    def words(self) -> str:
        """Return it as a person would ask for it."""
        name = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{name}/{self.subresource}" if self.subresource else name


OURS = [
    *(Right(verb, "secrets") for verb in ("list", "update")),  # Helm's record of a release
    # To follow how it starts.
    *(Right("list", each) for each in ("pods", "persistentvolumeclaims", "events")),
    *(Right("list", each, "apps") for each in ("deployments", "statefulsets")),
    Right("list", "jobs", "batch"),
    Right("get", "pods", subresource="log"),
]


def wanted(objects: Sequence[Object], *, home: bool = True, new_namespace: bool = False) -> list[Right]:
    """Return the rights that objects take, and those in their Roles, since nobody may give what he lacks.

    Args:
        objects: those of one namespace.
        home: whether it is the release's own, where Helm keeps its record and the parts start.
        new_namespace: whether it has to be made.
    """
    found = set(OURS) if home else set()
    for one in objects:
        group = one["apiVersion"].rpartition("/")[0]
        found |= {Right(verb, resource_of(one), group) for verb in VERBS}
        if one["kind"] == "Role":
            found |= {
                Right(verb, *_parted(resource, group))
                for rule in one["rules"]
                for verb in rule["verbs"]
                for resource in rule["resources"]
                for group in rule["apiGroups"]
            }
    if new_namespace:
        found.add(Right("create", "namespaces"))
    return sorted(found)


def _parted(resource: str, group: str) -> tuple[str, str, str]:
    """Return `pods/log` as a Role has it in the three parts of a question."""
    name, _, below = resource.partition("/")
    return name, group, below


def review(right: Right, namespace: str) -> Object:
    """Return the question as the API takes it; asking changes nothing."""
    attributes = {**asdict(right), "namespace": "" if right.resource == "namespaces" else namespace}
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
    }


def answer(reviews: Iterable[Mapping[str, Any]]) -> dict[Right, bool]:
    """Return what the API answered."""
    found = {}
    for one in reviews:
        asked = dict(one["spec"]["resourceAttributes"])
        asked.pop("namespace", None)
        asked.pop("version", None)
        found[Right(**asked)] = bool(one["status"].get("allowed"))
    return found


def rights(asked: Sequence[Right], answered: Mapping[Right, bool], namespace: str) -> Check:
    """Refuse when a right is lacking, and name them all."""
    lacking: dict[str, list[str]] = {}
    for right in asked:
        if not answered.get(right, False):
            lacking.setdefault(right.words, []).append(right.verb)
    if not lacking:
        return ok("Rights", f"All {len(asked)} that the chart takes in {namespace}.")
    listed = "; ".join(f"{name}: {', '.join(verbs)}" for name, verbs in sorted(lacking.items()))
    whole = f"kubectl create rolebinding installer --clusterrole=admin --user=YOU --namespace {namespace}"
    if list(lacking) == ["namespaces"]:
        whole = f"kubectl create namespace {namespace}"
    return refused("Rights", f"You lack rights in {namespace}. {listed}.", f"Ask an administrator: {whole}")
