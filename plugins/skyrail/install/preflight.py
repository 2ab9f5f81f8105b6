"""All checks before an install, in an order in which each has what it needs. Reading only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skyrail.install import release as releases
from skyrail.install.adoption.sources import Sources, adoption
from skyrail.install.chart import Chart
from skyrail.install.checks import Check, passed, refused, unknown
from skyrail.install.checks.access import ingress, kinds
from skyrail.install.checks.admission import admission
from skyrail.install.checks.namespace import namespace, owners, release
from skyrail.install.checks.nodes import gpus, room, usable
from skyrail.install.checks.quota import limits, quota
from skyrail.install.checks.repository import repository
from skyrail.install.checks.rights import Right, answer, review, rights, wanted
from skyrail.install.checks.secrets import named, secrets
from skyrail.install.checks.storage import storage
from skyrail.install.checks.versions import helm, kubernetes, programs
from skyrail.install.manifests import Object, load
from skyrail.install.programs import Programs
from skyrail.install.values import Answers, Values, at, differing, from_answers, is_ours, merged, read, text_of


@dataclass(frozen=True)
class Request:
    """What somebody wants to install."""

    release: str
    chart: Chart
    files: tuple[Path, ...] = ()
    answers: Answers = field(default_factory=Answers)
    sources: Sources = field(default_factory=Sources)
    """What there is already, to be looked at."""
    write: Path | None = None
    """Where the values go that were not in a file; `<release>-values.yaml` if not said."""


@dataclass
class Plan:
    """What was found, and what would be installed."""

    request: Request
    checks: list[Check] = field(default_factory=list)
    values: Values = field(default_factory=dict)
    """All of them, the chart's defaults too."""
    files: list[Path] = field(default_factory=list)
    """Values files for Helm, in their order."""
    to_write: tuple[Path, str] | None = None
    objects: list[Object] = field(default_factory=list)
    before: list[Object] = field(default_factory=list)
    """What the release has now."""
    live: list[Object] = field(default_factory=list)
    exists: bool = False
    """Whether there is such a release."""

    @property
    def passed(self) -> bool:
        """Whether it may be installed."""
        return passed(self.checks)


def check(tools: Programs, request: Request) -> Plan:
    """Look at everything that an install depends on.

    Raises:
        SkyrailError: a values file cannot be read.
    """
    plan = Plan(request)
    if missing := tools.missing():
        plan.checks += programs(missing)
        _choose(plan, {})
        return plan
    plan.checks.append(helm(tools.helm("version", "--template", "{{.Version}}").out))
    said = tools.kubectl("version", "-o", "json", seconds=20)
    versions = json.loads(said.out or "{}")
    server = versions.get("serverVersion", {}).get("gitVersion", "")
    if not server:
        fix = "`kubectl cluster-info` asks the same cluster. Choose another one with --context."
        plan.checks.append(refused("Cluster", f"It does not answer: {said.reason}", fix))
        _choose(plan, {})
        return plan
    plan.checks += kubernetes(versions["clientVersion"]["gitVersion"], server, request.chart.minimum)
    listed = releases.listed(tools)
    plan.exists = any(each["name"] == request.release for each in listed or ())
    _choose(plan, releases.own_values(tools, request.release) if plan.exists else {})
    space = tools.get("namespace", tools.namespace, "--ignore-not-found")
    plan.checks += namespace(tools.namespace, space, plan.values.get("userId"))
    plan.checks += release(request.release, listed, request.chart.label)
    try:
        text = releases.render(tools, request.release, request.chart, _short(plan), server)
    except releases.ValuesError as error:
        plan.checks.append(refused("Values", *_sentence(error.message)))
        plan.checks.append(unknown("The rest", "Only what is rendered can be compared with the cluster."))
        return plan
    plan.objects = load(text)
    plan.before = releases.current(tools, request.release) if plan.exists else []
    plan.checks += _cluster(tools, plan, text, new=space == [])
    return plan


def _short(plan: Plan) -> Values:
    return differing(plan.values, plan.request.chart.defaults)


def _sentence(message: str) -> tuple[str, str]:
    """Split what the chart says into what is wrong and what to write."""
    first, _, rest = message.partition("\n")
    return first, rest


def _choose(plan: Plan, own: Values) -> None:
    """Put the values together: those of files, else the release's own, and over them what was chosen."""
    request, defaults = plan.request, plan.request.chart.defaults
    chosen = from_answers(request.answers, request.chart)
    given = read(request.files) if request.files else own
    plan.values = merged(defaults, given, chosen)
    plan.files = list(request.files)
    target = request.write or Path(f"{request.release}-values.yaml")
    if request.files and not chosen:
        return
    # Files of people are never written; what was chosen beside them wins over them, from a file of its own.
    content = differing(merged(given, chosen), defaults) if not request.files or target in request.files else chosen
    if not content:
        return
    text = text_of(content)
    if target.exists() and target.read_text() != text and not (target in request.files and is_ours(target)):
        plan.checks.append(
            refused(
                "Values file",
                f"{target} is there, and says something else.",
                f"To start from it: --values {target}. To leave it: --write ANOTHER.yaml",
            )
        )
        return
    plan.to_write = target, text
    if target not in plan.files:
        plan.files.append(target)


def _cluster(tools: Programs, plan: Plan, text: str, *, new: bool) -> Iterator[Check]:
    """Compare what was rendered with the cluster."""
    objects, values, name = plan.objects, plan.values, plan.request.release
    asked = wanted(objects, new_namespace=new)
    permitted = rights(asked, _ask(tools, asked), tools.namespace)
    yield permitted
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
    yield from _way_in(tools, values)
    wanted_secrets = named(values)
    yield from secrets(wanted_secrets, _keys(tools, list(wanted_secrets)), tools.namespace)
    yield repository(at(values, "dags.git.repository"), at(values, "dags.git.ref"))
    yield from adoption(tools, name, values, plan.request.chart, objects, plan.request.sources)
    live = tools.get("--filename", "-", "--ignore-not-found", text=text) if passed(there) else None
    plan.live = live or []
    mine = list(owners(objects, live, name, tools.namespace))
    yield from mine
    # Namespaces that are not there, foreign objects and a lack of rights would only be said a second time.
    if not new and passed([permitted, *there, *mine]):
        done = tools.kubectl("apply", "--dry-run=server", "--filename", "-", "-o", "name", text=text, seconds=120)
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


def _ask(tools: Programs, asked: list[Right]) -> dict[Right, bool]:
    """Ask for rights, all in one command. A review is made for its answer alone: nothing of it is kept."""
    reviews = {"apiVersion": "v1", "kind": "List", "items": [review(each, tools.namespace) for each in asked]}
    done = tools.kubectl("create", "--validate=false", "-f", "-", "-o", "json", text=json.dumps(reviews))
    return answer(_documents(done.out))


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
