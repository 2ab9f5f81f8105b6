"""Secrets are made once, and what is there stays."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from cryptography.fernet import Fernet
from tests.fakes.kubernetes_api import FakeApi, fake_api

from skyrail.errors import SkyrailError
from skyrail.operations import secrets
from skyrail.operations.cluster import Cluster, ClusterError


@pytest.fixture
def world() -> Iterator[tuple[FakeApi, Cluster]]:
    with fake_api() as found:
        yield found


KEYS = ["fernet-key", "jwt-secret", "api-secret-key"]


def test_an_empty_secret_is_filled(world: tuple[FakeApi, Cluster]):
    """Each key has a value of its own, and Fernet takes its key."""
    api, cluster = world
    api.secret("sky-airflow")
    assert secrets.fill(cluster, "sky-airflow", KEYS) == sorted(KEYS)
    data = {key: base64.b64decode(value) for key, value in api.objects["secrets/sky-airflow"]["data"].items()}
    Fernet(data["fernet-key"])
    assert len(set(data.values())) == 3
    assert min(len(value) for value in data.values()) >= 44


def test_what_is_there_stays(world: tuple[FakeApi, Cluster]):
    """A second run changes nothing, and writes nothing."""
    api, cluster = world
    api.secret("sky-airflow", {"fernet-key": "bXkga2V5"})
    secrets.fill(cluster, "sky-airflow", KEYS)
    before = dict(api.objects["secrets/sky-airflow"]["data"])
    assert before["fernet-key"] == "bXkga2V5"
    api.calls.clear()
    assert secrets.fill(cluster, "sky-airflow", KEYS) == []
    assert api.objects["secrets/sky-airflow"]["data"] == before
    assert [method for method, _ in api.calls] == ["GET"]


def test_of_two_jobs_the_first_one_counts(world: tuple[FakeApi, Cluster]):
    """Between reading and writing another job may write: its values stay."""
    api, cluster = world
    api.secret("sky-airflow")
    api.before_patch = lambda: api.patch("secrets/sky-airflow", {"data": {"fernet-key": "Zmlyc3Q="}})
    secrets.fill(cluster, "sky-airflow", KEYS)
    assert api.objects["secrets/sky-airflow"]["data"]["fernet-key"] == "Zmlyc3Q="


def test_an_api_that_is_busy_is_asked_again(world: tuple[FakeApi, Cluster]):
    api, cluster = world
    api.secret("sky-airflow")
    api.failures = [503, 429]
    assert secrets.fill(cluster, "sky-airflow", ["jwt-secret"]) == ["jwt-secret"]


def test_a_secret_that_is_missing_is_named(world: tuple[FakeApi, Cluster]):
    with pytest.raises(ClusterError, match="secrets/sky-airflow not found") as caught:
        secrets.fill(world[1], "sky-airflow", KEYS)
    assert caught.value.status == 404


def test_arguments_say_what_is_wanted():
    assert secrets.wanted(["a/password", "b/fernet-key", "b/jwt-secret"]) == {
        "a": ["password"],
        "b": ["fernet-key", "jwt-secret"],
    }
    with pytest.raises(SkyrailError, match="names no key"):
        secrets.wanted(["a/passwort"])


def test_outside_a_pod_it_says_so(capsys: pytest.CaptureFixture[str]):
    assert secrets.main(["a/password"]) == 1
    assert "runs in a pod with a service account's token" in capsys.readouterr().err
