"""TLS to the database and the broker: whose certificate, and who checks it by what."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.chart.render import Manifest, Objects, render

TLS: dict[str, Any] = {"tls": {"enabled": True}}
WEB: dict[str, Any] = {"tls": {"enabled": True, "web": True}}
THEIRS: dict[str, Any] = {
    "database": {"host": "db.example.com", "passwordSecret": "db", "ssl": "verify-full"},
    "mlflow": {"passwordSecret": "m"},
}
SERVERS = {"postgresql", "pgbouncer", "valkey"}


def _component(pod: Manifest) -> str:
    return pod["metadata"]["labels"]["app.kubernetes.io/component"]


def _variables(found: Objects, kind: str, name: str) -> dict[str, str]:
    container = found.one(kind, name)["spec"]["template"]["spec"]["containers"][0]
    return {one["name"]: one["value"] for one in container["env"] if "value" in one}


@pytest.mark.parametrize(
    ("values", "called", "none"),
    [
        pytest.param(TLS, SERVERS, {"steps", "secrets", "pod-cleanup"}, id="00 database and broker"),
        pytest.param(WEB, SERVERS | {"api-server", "mlflow"}, {"secrets", "pod-cleanup"}, id="10 all"),
    ],
)
def test_the_key_is_with_those_who_are_called(values: dict[str, Any], called: set[str], none: set[str]):
    """All others have the authority alone, or nothing where they call none of them."""
    for name, pod in render(values).pods():
        items = {
            one["name"]: {item["key"] for item in one["secret"]["items"]}
            for one in pod["spec"].get("volumes", [])
            if "secret" in one
        }
        assert items.pop("tls", {"ca.crt"}) == {"ca.crt"}, name
        assert (items == {"certificate": {"ca.crt", "tls.crt", "tls.key"}}) == (_component(pod) in called), name
        volumes = {one["name"] for one in pod["spec"].get("volumes", [])}
        assert bool({"tls", "certificate"} & volumes) == (_component(pod) not in none), name


def test_each_who_mounts_it_has_the_volume_and_the_other_way_round():
    for values in (TLS, WEB, {**THEIRS, "database": {**THEIRS["database"], "caConfigMap": "rds"}}):
        for name, pod in render(values).pods():
            spec = pod["spec"]
            mounts = {
                mount["name"]
                for container in (*spec["containers"], *spec.get("initContainers", []))
                for mount in container.get("volumeMounts", [])
            }
            others = {"spool", "data", "shared"}
            assert mounts - others == {one["name"] for one in spec.get("volumes", [])} - others, name


def test_connections_to_ours_are_checked():
    """Of PgBouncer and of the database, which both refuse who comes without."""
    found = render(TLS)
    checked = {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/opt/skyrail/tls/ca.crt"}
    for name in ("scheduler", "api-server", "dag-processor", "triggerer", "mlflow"):
        assert checked.items() <= _variables(found, "Deployment", name).items()
    [job] = [one for one in found.kind("Job") if "migrations" in one["metadata"]["name"]]
    assert '"verify-full"' in json.dumps(job)
    lines = found.one("ConfigMap", "pgbouncer")["data"]["pgbouncer.ini"].splitlines()
    assert {
        "server_tls_sslmode = verify-full",
        "server_tls_ca_file = /opt/skyrail/tls/ca.crt",
        "client_tls_sslmode = require",
    } <= set(lines)
    assert _variables(found, "StatefulSet", "postgresql")["POSTGRES_CONNECTIONS"] == "hostssl"


def test_the_broker_is_checked():
    found = render(TLS)
    assert _variables(found, "StatefulSet", "valkey")["VALKEY_TLS"] == "/opt/skyrail/certificate"
    for kind, name in (("StatefulSet", "workers-default"), ("Deployment", "scheduler")):
        address = _variables(found, kind, name)["AIRFLOW__CELERY__BROKER_URL"]
        assert address == (
            "rediss://:$(BROKER_PASSWORD)@sky-valkey:6379/0?ssl_cert_reqs=required&ssl_ca_certs=/opt/skyrail/tls/ca.crt"
        )


def test_one_is_made_for_the_names_that_others_use():
    found = render(TLS)
    assert ("Secret", "sky-tls") in found.names()
    [job] = [one for one in found.kind("Job") if "secrets" in one["metadata"]["name"]]
    [argument] = [one for one in job["spec"]["template"]["spec"]["containers"][0]["args"] if "certificate" in one]
    hosts = argument.partition(":")[2].split(",")
    parts = {"sky-api-server", "sky-mlflow", "sky-pgbouncer", "sky-postgresql", "sky-valkey"}
    assert {*parts, "sky-valkey.team.svc", "sky-api-server.team", "localhost"} <= set(hosts)


def test_one_of_yours():
    found = render({"tls": {"enabled": True, "secret": "from-cert-manager"}})
    assert ("Secret", "sky-tls") not in found.names()
    named = [
        one["secret"]["secretName"]
        for _, pod in found.pods()
        for one in pod["spec"].get("volumes", [])
        if "secret" in one
    ]
    assert set(named) == {"from-cert-manager"}


@pytest.mark.parametrize(
    ("authority", "file"),
    [
        pytest.param("", "/etc/ssl/certs/ca-certificates.crt", id="00 a public authority"),
        pytest.param("rds", "/opt/skyrail/database-ca/ca.crt", id="10 one of yours"),
    ],
)
def test_a_database_of_yours_is_checked(authority: str, file: str):
    """By those who reach it: PgBouncer for all, or each by itself."""
    values = {**THEIRS, "database": {**THEIRS["database"], "caConfigMap": authority}}
    found = render(values)
    lines = found.one("ConfigMap", "pgbouncer")["data"]["pgbouncer.ini"].splitlines()
    assert {"server_tls_sslmode = verify-full", f"server_tls_ca_file = {file}"} <= set(lines)
    checked = {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": file}
    assert checked.items() <= _variables(found, "Deployment", "mlflow").items()
    assert "PGSSLMODE" not in _variables(found, "Deployment", "scheduler"), "PgBouncer offers no TLS"
    assert (
        checked.items()
        <= _variables(render({**values, "pgbouncer": {"enabled": False}}), "Deployment", "scheduler").items()
    )


def test_pgbouncer_can_have_ours_and_the_database_yours():
    found = render({**THEIRS, **TLS})
    lines = found.one("ConfigMap", "pgbouncer")["data"]["pgbouncer.ini"].splitlines()
    assert {"server_tls_ca_file = /etc/ssl/certs/ca-certificates.crt", "client_tls_sslmode = require"} <= set(lines)
    assert _variables(found, "Deployment", "scheduler")["PGSSLROOTCERT"] == "/opt/skyrail/tls/ca.crt"
    assert _variables(found, "Deployment", "mlflow")["PGSSLROOTCERT"] == "/etc/ssl/certs/ca-certificates.crt"


def test_the_web_servers_too():
    """Whoever calls them does so by HTTPS and with the authority; a probe of the kubelet checks no certificate."""
    found = render(WEB)
    data = found.environment()
    assert data["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "https://sky-api-server:8080/execution/"
    assert data["AIRFLOW__SKYRAIL_TRACKING__SERVER"] == "https://sky-mlflow:5000"
    assert data["AIRFLOW__API__SSL_CA_FILE"] == data["MLFLOW_TRACKING_SERVER_CERT_PATH"] == "/opt/skyrail/tls/ca.crt"
    server = _variables(found, "Deployment", "api-server")
    assert server["AIRFLOW__API__SSL_CERT"] == "/opt/skyrail/certificate/tls.crt"
    assert server["AIRFLOW__API__SSL_KEY"] == "/opt/skyrail/certificate/tls.key"
    assert _variables(found, "Deployment", "mlflow")["MLFLOW_TLS"] == "/opt/skyrail/certificate"
    for name in ("api-server", "mlflow"):
        [container] = found.one("Deployment", name)["spec"]["template"]["spec"]["containers"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["scheme"] == "HTTPS"
    assert data["AIRFLOW__API__BASE_URL"] == "https://localhost:8080/"
    theirs = render({**WEB, "mlflow": {"url": "https://mlflow.example.com"}}).environment()
    assert "MLFLOW_TRACKING_SERVER_CERT_PATH" not in theirs, "a server of yours has a public certificate"


def test_without_it_they_speak_http():
    found = render(TLS)
    assert found.environment()["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"].startswith("http://")
    assert "AIRFLOW__API__SSL_CERT" not in _variables(found, "Deployment", "api-server")
