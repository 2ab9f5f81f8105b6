"""kubectl and helm for a cluster that is a list of objects: what `skyrail install` asks, answered in the real shapes.

The chart is really rendered, by Helm's own code.
"""

# All commands are answered by methods of one shape.
# ruff: noqa: ARG002

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import yaml
from helm_python import HelmError
from tests.chart.render import chart

from skyrail.install.manifests import key, load, resource_of
from skyrail.install.programs import Done

Object = dict[str, Any]

API_VERSIONS = "v1 apps/v1 batch/v1 networking.k8s.io/v1 policy/v1 rbac.authorization.k8s.io/v1 storage.k8s.io/v1"


def storage_class(name: str = "standard", provisioner: str = "example.com/disks", *, default: bool = True) -> Object:
    """Return a StorageClass."""
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {
        "kind": "StorageClass",
        "metadata": {"name": name, "annotations": annotations},
        "provisioner": provisioner,
    }


def node(name: str = "one", cpu: str = "16", memory: str = "64Gi", labels: Any = None, **more: str) -> Object:
    """Return a node that takes pods."""
    return {
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/arch": "amd64", **(labels or {})}},
        "spec": {},
        "status": {"allocatable": {"cpu": cpu, "memory": memory, "pods": "110", **more}},
    }


def namespace(name: str = "team", **labels: str) -> Object:
    """Return a namespace."""
    return {"kind": "Namespace", "metadata": {"name": name, "labels": labels}, "status": {"phase": "Active"}}


def secret(name: str, *keys: str) -> Object:
    """Return a Secret with these keys."""
    return {"kind": "Secret", "metadata": {"name": name}, "data": dict.fromkeys(keys, "c2VjcmV0")}


class FakeCluster:
    """A cluster, its releases, and the commands that it was given."""

    def __init__(self) -> None:
        self.objects: list[Object] = [storage_class(), node(), namespace()]
        self.releases: list[dict[str, str]] = []
        self.values: dict[str, Any] = {}
        self.manifest = ""
        self.denied: Callable[[dict[str, str]], bool] = lambda _: False
        self.hidden: set[str] = set()
        """Resources that nobody lets us see."""
        self.server = "v1.34.4"
        self.server_says = ""
        """What it says instead of its version."""
        self.helm_version = "v3.19.0"
        self.api_versions = API_VERSIONS
        self.dry_run = Done(0)
        self.commands: list[str] = []
        self.logs: dict[str, str] = {}
        self.notes = ""
        self.on_upgrade: Callable[[], None] = lambda: None

    def execute(self, command: Sequence[str], text: str, seconds: float) -> Done:
        """Answer a command."""
        self.commands.append(" ".join(command))
        program, *words = command
        if "--filename" in words and "--namespace" in words:
            given = words[words.index("--namespace") + 1]
            for one in load(text):
                if (said := one["metadata"].get("namespace", given)) != given:
                    return Done(
                        1, "", f"error: the namespace from the provided object {said!r} does not match {given!r}."
                    )
        for flag in ("--namespace", "--context", "--kube-context"):
            while flag in words:
                at = words.index(flag)
                del words[at : at + 2]
        return getattr(self, f"_{program}_{words[0].replace('-', '_')}")(words[1:], text)

    def changed(self) -> list[str]:
        """Return the commands that change something."""
        reading = ("get", "version", "api-versions", "logs", "template", "list")
        return [
            each
            for each in self.commands
            if not any(f" {word} " in f"{each} " for word in reading)
            and "SelfSubjectAccessReview" not in each
            and "--dry-run=server" not in each
            and " create --validate=false " not in each
        ]

    def _kubectl_version(self, words: list[str], text: str) -> Done:
        client = {"clientVersion": {"gitVersion": "v1.34.1"}}
        if self.server_says:
            return Done(1, json.dumps(client), self.server_says)
        if not self.server:
            return Done(1, json.dumps(client), "The connection to the server 10.0.0.1:6443 was refused - did you …?")
        return Done(0, json.dumps({**client, "serverVersion": {"gitVersion": self.server}}))

    def _kubectl_api_versions(self, words: list[str], text: str) -> Done:
        return Done(0, "\n".join(self.api_versions.split()))

    def _kubectl_create(self, words: list[str], text: str) -> Done:
        answers = [
            {**one, "status": {"allowed": not self.denied(one["spec"]["resourceAttributes"])}}
            for one in json.loads(text)["items"]
        ]
        return Done(0, "\n".join(json.dumps(one, indent=4) for one in answers))

    def _kubectl_apply(self, words: list[str], text: str) -> Done:
        return self.dry_run

    def _kubectl_get(self, words: list[str], text: str) -> Done:
        selector = words[words.index("-l") + 1] if "-l" in words else ""
        if text:
            wanted = {key(one) for one in load(text)}
            found = [one for one in self.objects if key(one) in wanted]
            return Done(0, _answer(found) if found else "")
        resources = [word.partition(".")[0] for word in words[0].split(",")]
        if hidden := self.hidden & set(resources):
            return Done(1, "", f"Error from server (Forbidden): {hidden.pop()} is forbidden: User cannot list resource")
        found = [one for one in self.objects if resource_of(one) in resources or one["kind"].lower() in resources]
        names = [word for word in words[1:] if not word.startswith("-") and word not in ("json", selector)]
        if names:
            found = [one for one in found if one["metadata"]["name"] in names]
            return Done(0, _answer(found) if found else "")
        if selector:
            pairs = [pair.partition("=")[::2] for pair in selector.split(",")]
            found = [
                one for one in found if all(one["metadata"].get("labels", {}).get(key) == value for key, value in pairs)
            ]
        return Done(0, json.dumps({"kind": "List", "items": found}))

    def _kubectl_logs(self, words: list[str], text: str) -> Done:
        return Done(0, self.logs.get(words[0], ""))

    def _kubectl_delete(self, words: list[str], text: str) -> Done:
        return Done(0)

    def _helm_version(self, words: list[str], text: str) -> Done:
        return Done(0, self.helm_version)

    def _helm_list(self, words: list[str], text: str) -> Done:
        return Done(0, json.dumps(self.releases))

    def _helm_get(self, words: list[str], text: str) -> Done:
        if words[0] == "values":
            return Done(0, json.dumps(self.values or None))
        return Done(0, self.manifest if words[0] == "manifest" else self.notes)

    def _helm_template(self, words: list[str], text: str) -> Done:
        try:
            found = chart().render(values=yaml.safe_load(text) or {}, name=words[0], namespace="team")
        except HelmError as error:
            return Done(1, "", f"Error: {error}\n\nUse --debug flag to render out invalid YAML")
        return Done(0, "\n---\n".join(each for name, each in found.items() if name.endswith(".yaml")))

    def _helm_upgrade(self, words: list[str], text: str) -> Done:
        self.on_upgrade()
        return Done(0)

    def _helm_uninstall(self, words: list[str], text: str) -> Done:
        self.releases = []
        return Done(0)


def _answer(found: list[Object]) -> str:
    return json.dumps(found[0] if len(found) == 1 else {"kind": "List", "items": found})
