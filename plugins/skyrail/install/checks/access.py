"""The way in from outside: kinds of the cluster, classes, Gateways."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from skyrail.install.checks import Check, ok, refused, unknown, warn
from skyrail.install.manifests import Object

CERT_MANAGER = ("cert-manager.io/cluster-issuer", "cert-manager.io/issuer", "kubernetes.io/tls-acme")


def kinds(objects: Sequence[Object], served: Collection[str]) -> list[Check]:
    """Refuse objects of kinds that the cluster does not have, such as the Gateway API's.

    Args:
        objects: what the chart renders.
        served: groups and versions of the API, such as `apps/v1`; the core's is `v1`.
    """
    missing = sorted({(one["kind"], one["apiVersion"]) for one in objects if one["apiVersion"] not in served})
    rows = []
    for kind, version in missing:
        fix = "The cluster is too old for it, or its custom resources are not installed."
        if version.startswith("gateway.networking.k8s.io/"):
            fix = (
                "Install the Gateway API (https://gateway-api.sigs.k8s.io/guides/#installing-gateway-api) and a"
                " controller, or use an Ingress:\ningress:\n  kind: ingress"
            )
        rows.append(refused("Kinds", f"The cluster has no {kind} ({version}).", fix))
    return rows or [ok("Kinds", "The cluster has all that the chart uses.")]


def ingress(
    said: Mapping[str, Any],
    classes: Sequence[Object] | None,
    gateway: Sequence[Object] | None,
    certificate: bool | None,
) -> list[Check]:
    """Check who would take the address that people use.

    Args:
        said: the value `ingress`.
        classes: all IngressClasses; None if they may not be seen.
        gateway: the Gateway that is named, or nothing; None if it may not be seen.
        certificate: whether the named Secret is there; None if it may not be seen, or none is named.
    """
    if said["kind"] == "gateway":
        return _gateway(said["gateway"], gateway)
    if said["kind"] != "ingress":
        return [ok("Way in", "By kubectl port-forward alone.")]
    rows = _class(said["class"], classes)
    if certificate is False and not any(name in said["annotations"] for name in CERT_MANAGER):
        rows.append(
            refused(
                "Certificate",
                f"There is no Secret {said['tlsSecret']} for {said['host']}.",
                f"kubectl create secret tls {said['tlsSecret']} --cert=FILE --key=FILE, or let cert-manager make it by"
                " ingress.annotations.",
            )
        )
    return rows


def _class(name: str, classes: Sequence[Object] | None) -> list[Check]:
    if classes is None:
        return [unknown("Way in", "You may not list IngressClasses.")]
    names = [each["metadata"]["name"] for each in classes]
    there = ", ".join(names) or "none: no ingress controller is installed"
    if name and name not in names:
        fix = "Set ingress.class to one of them." if names else "Install an ingress controller first."
        return [refused("Way in", f"There is no IngressClass {name}; there is {there}.", fix)]
    default = [
        each["metadata"]["name"]
        for each in classes
        if (each["metadata"].get("annotations") or {}).get("ingressclass.kubernetes.io/is-default-class") == "true"
    ]
    if not name and not default:
        fix = f"Set ingress.class to one of them: {there}." if names else "Install an ingress controller first."
        return [refused("Way in", f"No IngressClass is the default; there is {there}.", fix)]
    return [ok("Way in", f"An Ingress of the class {name or default[0]}.")]


def _gateway(said: Mapping[str, Any], found: Sequence[Object] | None) -> list[Check]:
    name = "/".join(part for part in (said["namespace"], said["name"]) if part)
    if found is None:
        return [unknown("Way in", f"You may not see the Gateway {name}.")]
    if not found:
        return [
            refused(
                "Way in",
                f"There is no Gateway {name}.",
                "`kubectl get gateways --all-namespaces` lists those that there are. Set ingress.gateway.",
            )
        ]
    conditions = (found[0].get("status") or {}).get("conditions") or []
    if not any(each["type"] == "Programmed" and each["status"] == "True" for each in conditions):
        return [warn("Way in", f"The Gateway {name} does not work yet.", f"kubectl describe gateway {said['name']}")]
    return [ok("Way in", f"A route of the Gateway {name}.")]
