"""What service accounts may do in a cluster, and what they did: to compare one with the other.

`granted` reads the chart's Roles, `listed` what `kubectl auth can-i --list` prints, `recorded` the cluster's audit log,
and `asked` one request of a client. All speak of a `Use`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

PREFIX = "system:serviceaccount:"

EVERYBODY = {
    # What the cluster lets each account do: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#discovery-roles
    "selfsubjectaccessreviews.authorization.k8s.io",
    "selfsubjectrulesreviews.authorization.k8s.io",
    "selfsubjectreviews.authentication.k8s.io",
}


@dataclass(frozen=True, order=True)
class Use:
    """One thing done to one kind of object in one namespace."""

    namespace: str
    resource: str
    """With its group, and what is below it: `pods`, `pods/log`, `roles.rbac.authorization.k8s.io`."""
    verb: str
    name: str = ""
    """Of the object, where a right is for one object; else empty."""


def granted(objects: Iterable[Mapping[str, Any]]) -> dict[str, set[Use]]:
    """Return what the RoleBindings among some objects grant, by `namespace:account`."""
    kinds: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for one in objects:
        kinds[one["kind"]].append(one)
    roles = {(one["metadata"]["namespace"], one["metadata"]["name"]): one["rules"] for one in kinds["Role"]}
    found: dict[str, set[Use]] = defaultdict(set)
    for binding in kinds["RoleBinding"]:
        namespace = binding["metadata"]["namespace"]
        assert binding["roleRef"]["kind"] == "Role"
        for subject in binding["subjects"]:
            for rule in roles[namespace, binding["roleRef"]["name"]]:
                found[f"{subject['namespace']}:{subject['name']}"] |= {
                    Use(namespace, _grouped(resource, group), verb, name)
                    for group in rule["apiGroups"]
                    for resource in rule["resources"]
                    for verb in rule["verbs"]
                    for name in rule.get("resourceNames", [""])
                }
    return dict(found)


def listed(text: str, namespace: str) -> set[Use]:
    """Return what `kubectl auth can-i --list --namespace NAMESPACE --as system:serviceaccount:…` prints."""
    found = set()
    for line in text.splitlines()[1:]:
        # RESOURCES   NON-RESOURCE URLS   RESOURCE NAMES   VERBS, where a row about addresses has no resource.
        if not line.strip() or line.startswith((" ", "[")):
            continue
        resource, names, verbs = line.split()[0], *_lists(line)[-2:]
        if resource not in EVERYBODY:
            found |= {Use(namespace, resource, verb, name) for verb in verbs for name in names or [""]}
    return found


def recorded(lines: Iterable[str]) -> tuple[dict[str, set[Use]], set[tuple[str, Use]]]:
    """Return what service accounts did by an audit log, by `namespace:account`; and apart, what they were refused.

    A policy of level Metadata is enough: https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/
    """
    did: dict[str, set[Use]] = defaultdict(set)
    refused: set[tuple[str, Use]] = set()
    for line in lines:
        event = json.loads(line)
        user, target = event["user"]["username"], event.get("objectRef")
        if event.get("stage") != "ResponseComplete" or not user.startswith(PREFIX) or not target:
            continue
        resource = "/".join(filter(None, (target["resource"], target.get("subresource"))))
        grouped = _grouped(resource, target.get("apiGroup", ""))
        use = Use(target.get("namespace", ""), grouped, event["verb"], target.get("name", ""))
        if grouped in EVERYBODY:
            continue
        if event.get("responseStatus", {}).get("code") == 403:
            refused.add((user.removeprefix(PREFIX), use))
        else:
            did[user.removeprefix(PREFIX)].add(use)
    return dict(did), refused


def asked(method: str, url: str) -> Use:
    """Return what a request of a client does, as the cluster's API sees it."""
    parts = urlsplit(url)
    words = parts.path.strip("/").split("/")
    group = "" if words[0] == "api" else words[1]
    words = words[2:] if words[0] == "api" else words[3:]
    namespace = ""
    if words[0] == "namespaces" and len(words) > 2:
        namespace, words = words[1], words[2:]
    resource, name, *below = [*words, ""] if len(words) < 2 else words
    verb = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete" if name else "deletecollection"}
    read = "watch" if parse_qs(parts.query).get("watch") else "get" if name else "list"
    return Use(namespace, _grouped("/".join((resource, *below)), group), verb.get(method, read), name)


def unused(grants: Mapping[str, set[Use]], did: Mapping[str, set[Use]]) -> set[tuple[str, Use]]:
    """Return what was granted, and never used."""
    return {
        (account, grant)
        for account, all_of_it in grants.items()
        for grant in all_of_it
        if not any(_covers(grant, use) for use in did.get(account, ()))
    }


def exceeding(grants: Mapping[str, set[Use]], did: Mapping[str, set[Use]]) -> set[tuple[str, Use]]:
    """Return what was done, and is granted by no Role of these: by one that somebody else made."""
    return {
        (account, use)
        for account, all_of_it in did.items()
        for use in all_of_it
        if not any(_covers(grant, use) for grant in grants.get(account, ()))
    }


def _covers(grant: Use, use: Use) -> bool:
    same = (grant.namespace, grant.resource, grant.verb) == (use.namespace, use.resource, use.verb)
    return same and grant.name in ("", use.name)


def _grouped(resource: str, group: str) -> str:
    if not group:
        return resource
    first, slash, below = resource.partition("/")
    return f"{first}.{group}{slash}{below}"


def _lists(line: str) -> list[list[str]]:
    return [part.partition("]")[0].split() for part in line.split("[")[1:]]
