"""What cannot work is refused, by a sentence that says what to write instead."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.chart.render import CHART, files, refusal, render


def _paths(known: Any, path: tuple[str, ...] = ()):
    yield path
    if isinstance(known, dict):
        for key, below in known.items():
            if isinstance(below, dict):
                yield from _paths(below, (*path, key))


KNOWN = json.loads((CHART / "files" / "keys.json").read_text())


def _at(path: tuple[str, ...], value: Any) -> Any:
    for key in reversed(path):
        value = {key: value}
    return value


@pytest.mark.parametrize("path", [pytest.param(path, id=".".join(path) or "top") for path in _paths(KNOWN)])
def test_an_unknown_key_is_refused_wherever_it_is(path: tuple[str, ...]):
    assert f"There is no key {'.'.join((*path, 'zzqq'))}." in refusal(_at((*path, "zzqq"), 1))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        pytest.param({"scheduler": {"replcas": 2}}, "Did you mean scheduler.replicas?", id="00 a letter is missing"),
        pytest.param({"image": {"tagg": "1"}}, "Did you mean image.tag?", id="10 one too many"),
        pytest.param({"shceduler": {}}, "Did you mean scheduler?", id="20 letters changed places"),
        pytest.param({"parallelism": 8}, "Did you mean scheduler.parallelism?", id="30 in the wrong place"),
        pytest.param({"api-server": {"replicas": 2}}, "Did you mean apiServer?", id="40 another spelling"),
        pytest.param({"Executor": "x"}, "Did you mean executor?", id="50 another case"),
        pytest.param(
            {"workers": {"groups": [{"name": "a", "concurency": 2, "class": "small"}]}},
            "There is no key workers.groups[0].concurency. Did you mean workers.groups[].concurrency?",
            id="60 inside a list",
        ),
        pytest.param({"xyzzy": 1}, "There is no key xyzzy.\nEach key", id="70 nothing near"),
    ],
)
def test_the_key_that_was_meant_is_named(values: dict, sentence: str):
    assert sentence in refusal(values)


def test_all_unknown_keys_are_named_at_once():
    said = refusal({"aa": 1, "scheduler": {"bb": 2}})
    assert "There is no key aa." in said
    assert "There is no key scheduler.bb." in said


@pytest.mark.parametrize(
    ("again", "sentence"),
    [
        pytest.param({"name": "risk"}, 'The name "risk" is there twice', id="00 a name"),
        pytest.param({"dags": ["a", "risk_*"]}, 'The pattern "risk_*" is there twice', id="10 a pattern of DAGs"),
    ],
)
def test_what_two_teams_cannot_share(again: dict, sentence: str):
    other = {"name": "ads", "namespace": "team-ads", "dags": ["ads_*"], **again}
    assert sentence in refusal({**BUCKET, "teams": [RISK, other]})


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        pytest.param({"scheduler": {"replicas": "two"}}, "/scheduler/replicas", id="00 a word for a number"),
        pytest.param({"executor": "LocalExecutor"}, "/executor", id="10 an executor that cannot be"),
        pytest.param({"database": {"port": -1}}, "/database/port", id="20 a negative port"),
        pytest.param({"workers": {"groups": [{"class": "small"}]}}, "/workers/groups/0", id="30 a group without name"),
        pytest.param({"teams": [{"name": "a", "dags": "x", "namespace": "b"}]}, "/teams/0/dags", id="35 no list"),
        pytest.param({"storage": {"volume": {"access": "RWX"}}}, "/storage/volume/access", id="40 not of the words"),
    ],
)
def test_a_wrong_type_is_refused_by_its_place(values: dict, sentence: str):
    assert sentence in refusal(values)


BUCKET = {"storage": {"bucket": "s3://b/x"}}
RISK = {"name": "risk", "namespace": "team-risk", "dags": ["risk_*"]}

ONCE = {"access": "ReadWriteOnce"}

DATABASE = {"host": "db.example.com", "passwordSecret": "db"}

CASES = [
    pytest.param(
        {"store": {"enabled": False}},
        "Without the store there is no database.",
        {
            "store": {"enabled": False},
            "database": DATABASE,
            "mlflow": {"passwordSecret": "m"},
            "broker": {"urlSecret": "q"},
        },
        id="00 no database",
    ),
    pytest.param(
        {"database": {"host": "db.example.com"}},
        "The database at db.example.com has a password that the chart cannot know.",
        {"database": DATABASE, "mlflow": {"passwordSecret": "m"}},
        id="10 no password",
    ),
    pytest.param(
        {"database": DATABASE},
        'MLflow needs a database "mlflow" of the user "mlflow" on db.example.com.',
        {"database": DATABASE, "mlflow": {"url": "https://mlflow.example.com"}},
        id="20 no password of MLflow",
    ),
    pytest.param(
        {"database": {"name": "other"}},
        "The store's databases and users are called airflow and mlflow, at port 5432.",
        {"database": {**DATABASE, "name": "other"}, "mlflow": {"passwordSecret": "m"}},
        id="30 another name in the store",
    ),
    pytest.param(
        {"store": {"enabled": False}, "database": DATABASE, "mlflow": {"passwordSecret": "m"}},
        "Celery's workers need a broker, and without the store there is none.",
        {
            "store": {"enabled": False},
            "database": DATABASE,
            "mlflow": {"passwordSecret": "m"},
            "executor": "KubernetesExecutor",
        },
        id="40 no broker",
    ),
    pytest.param(
        {"workers": {"groups": []}},
        "CeleryExecutor needs workers.",
        {"workers": {"groups": []}, "executor": "KubernetesExecutor"},
        id="50 no workers",
    ),
    pytest.param(
        {"workers": {"groups": [{"name": "a", "class": "small"}, {"name": "a", "class": "large"}]}},
        'There are two worker groups "a".',
        {"workers": {"groups": [{"name": "a", "class": "small"}, {"name": "b", "class": "large"}]}},
        id="60 a name twice",
    ),
    pytest.param(
        {"workers": {"groups": [{"name": "A b", "class": "small"}]}},
        'The worker group "A b" cannot be part of a pod\'s name.',
        {"workers": {"groups": [{"name": "a-b", "class": "small"}]}},
        id="70 a bad name",
    ),
    pytest.param(
        {"workers": {"groups": [{"name": "a"}]}},
        'Nothing says how large a worker of the group "a" is.',
        {
            "workers": {
                "groups": [
                    {"name": "a", "resources": {"requests": {"cpu": 1, "memory": "1Gi"}, "limits": {"memory": "1Gi"}}}
                ]
            }
        },
        id="80 no size",
    ),
    pytest.param(
        {"workers": {"groups": [{"name": "a", "class": "huge"}]}},
        'The worker group "a" is of the resource class "huge", and there is none.\nPlease use one of: small, medium',
        {"workers": {"groups": [{"name": "a", "class": "gpu-t4"}]}},
        id="90 no such class",
    ),
    pytest.param(
        {"ingress": {"kind": "ingress"}},
        "The way in needs a host name.",
        {"ingress": {"kind": "ingress", "host": "a.example.com"}},
        id="100 no host",
    ),
    pytest.param(
        {"ingress": {"kind": "gateway", "host": "a.example.com"}},
        "An HTTPRoute needs a Gateway.",
        {"ingress": {"kind": "gateway", "host": "a.example.com", "gateway": {"name": "g"}}},
        id="110 no gateway",
    ),
    pytest.param(
        {"storage": {"keySecret": "keys"}},
        "storage.endpoint and storage.keySecret are about a bucket, and none is named.",
        {"storage": {"keySecret": "keys", "bucket": "s3://b/x"}},
        id="120 keys without a bucket",
    ),
    pytest.param({"userId": 0}, "userId is 0, and nothing here runs as root.", {"userId": None}, id="130 root"),
    pytest.param(
        {"airflow": {"core": {"fernet_key": "x"}}},
        "airflow.core.fernet_key is a secret, and values are no place for it.",
        {"airflow": {"core": {"parallelism": 8}}},
        id="140 a secret",
    ),
    pytest.param(
        {"airflow": {"parallelism": 8}},
        "airflow.parallelism is no section.",
        {"airflow": {"core": {"parallelism": 8}}},
        id="150 no section",
    ),
    pytest.param(
        {"resourceClasses": [{"name": "a", "cpu": 1, "memory": "1Gi", "identities": ["trainer"]}]},
        'The resource class "a" offers the identity "trainer", and there is no such service account.',
        {
            "resourceClasses": [{"name": "a", "cpu": 1, "memory": "1Gi", "identities": ["trainer"]}],
            "pods": {"identities": [{"name": "trainer"}]},
        },
        id="160 no account",
    ),
    pytest.param(
        {"apiServer": {"url": "airflow.example.com"}},
        'apiServer.url is "airflow.example.com", which is no address of a web server.',
        {"apiServer": {"url": "https://airflow.example.com"}},
        id="170 no scheme",
    ),
    pytest.param(
        {"ingress": {"kind": "ingress", "host": "https://a.example.com/"}},
        'ingress.host is "https://a.example.com/", which is no host name.',
        {"ingress": {"kind": "ingress", "host": "a.example.com"}},
        id="175 a scheme",
    ),
    pytest.param(
        {"storage": {"bucket": "company-skyrail"}},
        'storage.bucket is "company-skyrail", which does not say whose bucket it is.',
        {"storage": {"bucket": "gs://company-skyrail"}},
        id="171 a bucket's name alone",
    ),
    pytest.param(
        {"ingress": {"host": "a.example.com"}},
        "Nothing leads from a.example.com to the web server.",
        {"ingress": {"host": "a.example.com", "kind": "ingress"}},
        id="172 a host and no kind",
    ),
    pytest.param(
        {"ingress": {"kind": "gateway", "host": "a.example.com", "gateway": {"name": "g"}, "tlsSecret": "c"}},
        "The certificate of an HTTPRoute is its Gateway's business",
        {"ingress": {"kind": "ingress", "host": "a.example.com", "tlsSecret": "c"}},
        id="173 a certificate for a Gateway",
    ),
    pytest.param(
        {"database": {"ssl": "require"}},
        "database.ssl is require, and is about a database of yours.",
        {"database": {**DATABASE, "ssl": "require"}, "mlflow": {"passwordSecret": "m"}},
        id="174 TLS of the store",
    ),
    pytest.param(
        {"tls": {"secret": "certificate"}},
        "tls.secret and tls.web are about TLS, which is off.",
        {"tls": {"secret": "certificate", "enabled": True}},
        id="176 a certificate for nobody",
    ),
    pytest.param(
        {"database": {**DATABASE, "caConfigMap": "ca"}, "mlflow": {"passwordSecret": "m"}},
        "database.caConfigMap is for checking the certificate of a database of yours, and nothing checks it.",
        {"database": {**DATABASE, "caConfigMap": "ca", "ssl": "verify-full"}, "mlflow": {"passwordSecret": "m"}},
        id="177 an authority for nothing",
    ),
    pytest.param(
        {"apiServer": {"replicas": 2}, "storage": {"volume": {"access": "ReadWriteOnce"}}},
        "apiServer.replicas is 2, to survive the loss of a node, and a ReadWriteOnce volume",
        {"workers": {"groups": [{"name": "a", "class": "small", "replicas": 2}]}, "storage": {"volume": ONCE}},
        id="175 two replicas at one volume",
    ),
    pytest.param(
        {"resourceClasses": [{"name": "a", "cpu": 1}]},
        "resourceClasses[0] has no memory.",
        {"resourceClasses": [{"name": "a", "cpu": 1, "memory": "1Gi"}]},
        id="180 half a class",
    ),
    pytest.param(
        {"resourceClasses": [{"name": "a", "cpu": 1, "memory": "1Gi"}, {"name": "a", "cpu": 2, "memory": "1Gi"}]},
        'There are two resource classes "a".',
        {"resourceClasses": [{"name": "a", "cpu": 1, "memory": "1Gi"}, {"name": "b", "cpu": 2, "memory": "1Gi"}]},
        id="181 a class twice",
    ),
    pytest.param(
        {"resourceClasses": [{"name": "a", "cpu": 1, "memory": "1Gi", "executor": "LocalExecutor"}]},
        'The resource class "a" has the executor "LocalExecutor", which is not in this chart.',
        {"resourceClasses": [{"name": "a", "cpu": 1, "memory": "1Gi", "executor": "KubernetesExecutor"}]},
        id="182 an executor that is not there",
    ),
    pytest.param(
        {"resourceClasses": [{"name": "a", "cpu": 1, "memory": "1Gi", "queue": "big"}]},
        'No workers take from the queue "big" of the resource class "a": its steps would wait for ever.',
        {
            "resourceClasses": [{"name": "a", "cpu": 1, "memory": "1Gi", "queue": "big"}],
            "workers": {"groups": [{"name": "a", "class": "a"}]},
        },
        id="183 a queue without workers",
    ),
    pytest.param(
        {**BUCKET, "executor": "CeleryExecutor", "teams": [RISK]},
        "The namespace of a team is for pods, and Celery's workers run all steps.",
        {**BUCKET, "executor": "KubernetesExecutor", "teams": [RISK]},
        id="200 teams without pods",
    ),
    pytest.param(
        {"teams": [RISK]},
        "Results and logs are on a volume, which steps in the namespaces of teams cannot reach.",
        {**BUCKET, "teams": [RISK]},
        id="210 teams without a bucket",
    ),
    pytest.param(
        {"storage": {"bucket": "az://bucket/sky"}, "teams": [RISK]},
        "Logs of teams' steps cannot be kept in az://bucket/sky.",
        {"storage": {"bucket": "abfs://bucket/sky"}, "teams": [RISK]},
        id="211 teams with a bucket that logs do not know",
    ),
    pytest.param(
        {**BUCKET, "teams": [{**RISK, "namespace": "Team Risk"}]},
        'The team "risk" has the word "Team Risk", which cannot be the name of a team or a namespace.',
        {**BUCKET, "teams": [RISK]},
        id="220 no namespace's name",
    ),
    pytest.param(
        {**BUCKET, "teams": [{**RISK, "namespace": "team"}]},
        'The team "risk" has the namespace "team", which is that of the platform.',
        {**BUCKET, "teams": [{**RISK, "namespace": "team-2"}]},
        id="230 the platform's own namespace",
    ),
    pytest.param(
        {**BUCKET, "teams": [{**RISK, "dags": []}]},
        'No DAG belongs to the team "risk".',
        {**BUCKET, "teams": [{**RISK, "dags": ["*"]}]},
        id="240 no DAG",
    ),
    pytest.param(
        {**BUCKET, "teams": [RISK, {**RISK, "name": "ads", "dags": ["ads_*"]}]},
        'The namespace "team-risk" is there twice among the teams, at "risk" and at "ads".',
        {**BUCKET, "teams": [RISK, {"name": "ads", "namespace": "team-ads", "dags": ["ads_*"]}]},
        id="250 two teams in one namespace",
    ),
]


@pytest.mark.parametrize(("values", "sentence", "near"), CASES)
def test_a_refusal_and_the_nearest_that_passes(values: dict, sentence: str, near: dict):
    said = refusal(values)
    assert sentence in said
    assert "Please" in said
    render(near)


def test_a_release_name_that_is_too_long():
    assert "is longer than 40 letters" in refusal({}, release="a" * 41)
    assert files({}, release="a" * 40)


def test_every_refusal_is_tested():
    """As many sentences as there are in the chart."""
    text = "".join(file.read_text() for file in (CHART / "templates").rglob("*.tpl"))
    # One for unknown keys and one for the name are tested above.
    assert text.count("{{- fail ") == len(CASES) + 2
