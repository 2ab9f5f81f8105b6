"""Who may talk to whom."""

from __future__ import annotations

from typing import Any

import pytest
from tests.chart.render import Objects, render
from tests.chart.test_inventory import EXTERNAL

DEFAULT = {
    "api-server": {"pgbouncer:6432", "mlflow:5000", "cluster:443,6443"},
    "scheduler": {"pgbouncer:6432", "valkey:6379", "cluster:443,6443"},
    "dag-processor": {"pgbouncer:6432"},
    "triggerer": {"pgbouncer:6432"},
    "migrations": {"postgresql:5432"},
    "secrets": {"cluster:443,6443"},
    "pod-cleanup": {"cluster:443,6443"},
    "workers": {"api-server:8080", "mlflow:5000", "valkey:6379"},
    "steps": {"api-server:8080", "mlflow:5000"},
    "mlflow": {"postgresql:5432"},
    "pgbouncer": {"postgresql:5432"},
    "postgresql": set(),
    "valkey": set(),
}


def _peer(rule: dict[str, Any], side: str) -> str | None:
    ports = ",".join(str(one["port"]) for one in rule["ports"])
    if ports.startswith("53"):
        return None
    for peer in rule.get(side, []):
        if "podSelector" in peer:
            assert peer["podSelector"]["matchLabels"]["app.kubernetes.io/instance"] == "sky"
            return f"{peer['podSelector']['matchLabels']['app.kubernetes.io/component']}:{ports}"
        if "ipBlock" in peer:
            return f"cluster:{ports}"
    return f"anywhere:{ports}"


def _rules(found: Objects, direction: str, side: str) -> dict[str, set[str]]:
    return {
        policy["metadata"]["name"].removeprefix("sky-"): {
            peer for rule in policy["spec"].get(direction) or [] if (peer := _peer(rule, side))
        }
        for policy in found.kind("NetworkPolicy")
        if policy["metadata"]["name"] != "sky-default"
    }


def test_where_each_component_may_go():
    assert _rules(render(), "egress", "to") == DEFAULT


def test_both_ends_of_a_connection_have_their_rule():
    """What may go out is let in where it arrives, and nothing else is."""
    found = render()
    out = {(a, b) for a, peers in _rules(found, "egress", "to").items() for b in peers if not b.startswith("cluster")}
    into = set()
    for name, peers in _rules(found, "ingress", "from").items():
        for peer in peers:
            source, _, port = peer.partition(":")
            if source != "anywhere":
                into.add((source, f"{name}:{port}"))
            else:
                assert (name, port) == ("api-server", "8080"), "only people come from elsewhere"
    assert out == into


def test_nobody_talks_unless_a_policy_says_so():
    """Also pods that have no policy of their own."""
    spec = render().one("NetworkPolicy", "default")["spec"]
    assert spec == {
        "podSelector": {"matchLabels": {"app.kubernetes.io/instance": "sky"}},
        "policyTypes": ["Ingress", "Egress"],
    }


def test_every_pod_is_under_a_policy():
    found = render()
    assert {pod["metadata"]["labels"]["app.kubernetes.io/component"] for _, pod in found.pods()} == set(DEFAULT)


def test_parts_elsewhere_are_reached_at_their_ports():
    rules = _rules(render({**EXTERNAL, "database": {**EXTERNAL["database"], "port": 5433}}), "egress", "to")
    assert rules["scheduler"] == {"anywhere:5433", "anywhere:6379", "cluster:443,6443"}
    assert rules["steps"] == {"api-server:8080", "anywhere:443"}


def test_a_git_server_is_reached_by_those_who_read_dags():
    rules = _rules(
        render({"dags": {"git": {"repository": "https://g.example.com/d.git", "port": 3000}}}), "egress", "to"
    )
    assert {name for name, peers in rules.items() if "anywhere:3000" in peers} == {"dag-processor", "workers", "steps"}


def test_rules_of_the_team_are_for_what_runs_its_code():
    rule = {"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}], "ports": [{"port": 5432}]}
    found = render({"networkPolicies": {"steps": [rule]}})
    having = [
        one["metadata"]["name"] for one in found.kind("NetworkPolicy") if rule in (one["spec"].get("egress") or [])
    ]
    assert set(having) == {"sky-triggerer", "sky-workers", "sky-steps"}


@pytest.mark.parametrize("people", [pytest.param([{"namespaceSelector": {"matchLabels": {"a": "b"}}}], id="00")])
def test_people_come_from_where_the_values_say(people: list[dict]):
    spec = render({"networkPolicies": {"people": people}}).one("NetworkPolicy", "api-server")["spec"]
    assert [rule for rule in spec["ingress"] if rule.get("from") == people]


def test_they_can_be_off():
    assert not render({"networkPolicies": {"enabled": False}}).kind("NetworkPolicy")
