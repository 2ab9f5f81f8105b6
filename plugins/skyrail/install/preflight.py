"""All checks before an install, in an order in which each has what it needs. Reading only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import yaml

from skyrail.install import release as releases
from skyrail.install.adoption.sources import adoption
from skyrail.install.checks import Check, passed, refused, unknown
from skyrail.install.checks.access import ingress, kinds
from skyrail.install.checks.admission import admission
from skyrail.install.checks.namespace import names, namespace, of_team, owners, release
from skyrail.install.checks.nodes import gpus, room, usable
from skyrail.install.checks.quantities import quantities
from skyrail.install.checks.quota import limits, quota
from skyrail.install.checks.repository import repository
from skyrail.install.checks.rights import Right, answer, review, rights, wanted
from skyrail.install.checks.secrets import named, named_by_team, secrets
from skyrail.install.checks.storage import storage
from skyrail.install.checks.versions import helm, kubernetes, programs
from skyrail.install.manifests import key, load, spaces
from skyrail.install.plan import Plan, Request, choose, short
from skyrail.install.programs import Programs
from skyrail.install.values import Values, at


def check(tools: Programs, request: Request) -> Plan:
    """Look at everything that an install depends on.

    Raises:
        SkyrailError: a values file cannot be read.
    """
    plan = Plan(request)
    if missing := tools.missing():
        plan.checks += programs(missing)
        choose(plan, {})
        return plan
    if wrong := names(tools.namespace, request.release):
        plan.checks += wrong
        choose(plan, {})
        return plan
    plan.checks.append(helm(tools.helm("version", "--template", "{{.Version}}").out))
    said = tools.kubectl("version", "-o", "json", seconds=20)
    versions = json.loads(said.out or "{}")
    server = versions.get("serverVersion", {}).get("gitVersion", "")
    if not server:
        plan.checks.append(_silent(said.reason))
        choose(plan, {})
        return plan
    plan.checks += kubernetes(versions["clientVersion"]["gitVersion"], server, request.chart.minimum)
    listed = releases.listed(tools)
    plan.exists = any(each["name"] == request.release for each in listed or ())
    choose(plan, releases.own_values(tools, request.release) if plan.exists else {})
    space = tools.get("namespace", tools.namespace, "--ignore-not-found")
    plan.new_namespace = space == []
    plan.checks += namespace(tools.namespace, space, plan.values.get("userId"))
    plan.checks += release(request.release, listed, request.chart.label)
    try:
        text = releases.render(tools, request.release, request.chart, short(plan), server)
    except releases.ValuesError as error:
        plan.checks.append(refused("Values", *_sentence(error.message)))
        plan.checks.append(unknown("The rest", "Only what is rendered can be compared with the cluster."))
        return plan
    plan.objects = load(text)
    if wrong := quantities(plan.objects):
        plan.checks += wrong
        plan.checks.append(unknown("The rest", "Only what is rendered can be compared with the cluster."))
        return plan
    plan.before = releases.current(tools, request.release) if plan.exists else []
    plan.checks += _cluster(tools, plan, text)
    return plan


def _silent(reason: str) -> Check:
    if "logged in" in reason or "credentials" in reason:
        fix = "Sign in again, or choose another cluster with --context."
        return refused("Cluster", f"It does not know you: {reason}", fix)
    fix = "`kubectl cluster-info` asks the same cluster. Choose another one with --context."
    return refused("Cluster", f"It does not answer: {reason}", fix)


_AT = re.compile(r"^- at '/([^']*)'")


def _place(found: re.Match[str]) -> str:
    return found[1].replace("/", ".")


def _sentence(message: str) -> tuple[str, str]:
    """Split what the chart says into what is wrong and what to write."""
    first, _, rest = message.partition("\n")
    if first.startswith("values don't meet"):  # the schema's own words: the mistakes are below
        mistakes = [_AT.sub(_place, each) for each in rest.split("\n")[1:]]
        return "; ".join(mistakes), "Each key is described in docs/reference/values.md."
    return first, rest or "Each key is described in docs/reference/values.md."


def _cluster(tools: Programs, plan: Plan, text: str) -> Iterator[Check]:
    """Compare what was rendered with the cluster."""
    objects, values, name = plan.objects, plan.values, plan.request.release
    permitted = [_rights(tools, plan, space) for space in spaces(objects, tools.namespace)]
    yield from permitted
    served = set(tools.kubectl("api-versions").out.split())
    there = list(kinds(objects, served))
    yield from there
    nodes = tools.get("nodes")
    claims = {each["metadata"]["name"] for each in tools.get("persistentvolumeclaims") or ()}
    taking = None if nodes is None else len(usable(nodes))
    yield from storage(objects, tools.get("storageclasses"), taking, claims)
    yield from room(objects, nodes)
    yield from gpus(values["resourceClasses"] or plan.request.chart.classes(), nodes)
    ranges = tools.get("limitranges")
    yield from quota(objects, tools.get("resourcequotas"), ranges, plan.before)
    yield from limits(objects, ranges)
    if passed(there):
        yield from _way_in(tools, values)
    wanted_secrets = named(values)
    yield from secrets(wanted_secrets, _keys(tools, list(wanted_secrets)), tools.namespace)
    missing = {tools.namespace} if plan.new_namespace else set()
    for team in values["teams"]:
        found = tools.get("namespace", team["namespace"], "--ignore-not-found")
        yield of_team(team, found)
        if found:
            needed, where = named_by_team(values, team), replace(tools, namespace=team["namespace"])
            yield from secrets(needed, _keys(where, list(needed)), where.namespace) if needed else ()
        elif found == []:
            missing.add(team["namespace"])
    yield repository(at(values, "dags.git.repository"), at(values, "dags.git.ref"))
    yield from adoption(tools, name, values, plan.request.chart, objects, plan.request.sources)
    live = tools.get("--filename", "-", "--ignore-not-found", text=text) if passed(there) else None
    plan.live = live or []
    mine = list(owners(objects, live, name, tools.namespace)) if passed(there) else []
    yield from mine
    # Namespaces that are not there, foreign objects and a lack of rights would only be said a second time.
    if tools.namespace not in missing and passed([*permitted, *there, *mine]):
        tried = yaml.safe_dump_all(one for one in objects if key(one)[2] not in missing)
        done = tools.kubectl("apply", "--dry-run=server", "--filename", "-", "-o", "name", text=tried, seconds=120)
        yield from admission(done.code, done.err)


def _way_in(tools: Programs, values: Values) -> list[Check]:
    said = values["ingress"]
    if not said["kind"]:
        return ingress(said, None, None, None)
    gateway = classes = certificate = None
    if said["kind"] == "gateway":
        where = ["--namespace", said["gateway"]["namespace"]] if said["gateway"]["namespace"] else []
        gateway = tools.get("gateways.gateway.networking.k8s.io", said["gateway"]["name"], "--ignore-not-found", *where)
    else:
        classes = tools.get("ingressclasses")
        if said["tlsSecret"]:
            keys = _keys(tools, [said["tlsSecret"]])
            certificate = None if keys is None else keys[said["tlsSecret"]] is not None
    return ingress(said, classes, gateway, certificate)


def _keys(tools: Programs, names: list[str]) -> dict[str, list[str] | None] | None:
    """Return the keys of Secrets, and nothing of what is in them."""
    if not names:
        return {}
    found = tools.get("secrets", *names, "--ignore-not-found")
    if found is None:
        return None
    there = {each["metadata"]["name"]: sorted(each.get("data") or {}) for each in found}
    return {name: there.get(name) for name in names}


def _rights(tools: Programs, plan: Plan, space: str) -> Check:
    """Ask for the rights that objects of a namespace take; what is in none is asked with the release's own."""
    home = space == tools.namespace
    some = [one for one in plan.objects if (key(one)[2] or tools.namespace) == space]
    return _ask(tools, wanted(some, home=home, new_namespace=home and plan.new_namespace), space)


def _ask(tools: Programs, asked: list[Right], space: str) -> Check:
    """Ask for rights, all in one command. A review is made for its answer alone: nothing of it is kept."""
    reviews = {"apiVersion": "v1", "kind": "List", "items": [review(each, space) for each in asked]}
    done = tools.kubectl("create", "--validate=false", "-f", "-", "-o", "json", text=json.dumps(reviews))
    if done.code:
        fix = "`kubectl auth whoami` says as whom you come; sign in again, or choose another --context."
        return refused("Rights", f"The cluster does not say what you may do: {done.reason}", fix)
    return rights(asked, answer(_documents(done.out)), space)


def _documents(text: str) -> list[dict[str, Any]]:
    """Read the objects that kubectl prints one after the other, or as a list."""
    decoder, place = json.JSONDecoder(), 0
    found: list[dict[str, Any]] = []
    text = text.strip()
    while place < len(text):
        one, end = decoder.raw_decode(text, place)
        found += one["items"] if one["kind"].endswith("List") else [one]
        place = end + len(text[end:]) - len(text[end:].lstrip())
    return found
