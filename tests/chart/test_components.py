"""Each key of the values does what its sentence says."""

from __future__ import annotations

import json

import pytest
from tests.chart.render import render


@pytest.mark.parametrize(
    ("component", "key"),
    [
        pytest.param("scheduler", "scheduler", id="00 scheduler"),
        pytest.param("api-server", "apiServer", id="10 api-server"),
        pytest.param("triggerer", "triggerer", id="20 triggerer"),
    ],
)
def test_two_of_a_component_get_a_disruption_budget(component: str, key: str):
    """A drain may take only one at a time, and they are on different nodes where there are several."""
    found = render({key: {"replicas": 2}})
    [budget] = found.kind("PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] == 1
    deployment = found.one("Deployment", component)
    assert deployment["spec"]["replicas"] == 2
    assert budget["spec"]["selector"] == {"matchLabels": deployment["spec"]["selector"]["matchLabels"]}
    spread = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert [one["topologyKey"] for one in spread] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    assert not render().kind("PodDisruptionBudget")


def test_a_worker_has_time_to_finish_and_keeps_its_records():
    one = render({"workers": {"finishSeconds": 7200, "spoolSize": "3Gi"}}).one("StatefulSet", "workers-default")
    assert one["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 7200
    [claim] = one["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "3Gi"
    assert one["spec"]["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Delete", "whenScaled": "Retain"}


def test_a_group_may_have_no_workers_for_now():
    groups = [{"name": "default", "class": "small", "replicas": 0}]
    assert render({"workers": {"groups": groups}}).one("StatefulSet", "workers-default")["spec"]["replicas"] == 0


def test_options_of_airflow_win():
    """Over the chart's own, and without a key twice."""
    found = render({"airflow": {"core": {"parallelism": 7}, "webserver": {"x": True}}}).environment()
    assert found["AIRFLOW__CORE__PARALLELISM"] == "7"
    assert found["AIRFLOW__WEBSERVER__X"] == "true"


def test_variables_reach_all_parts_and_mlflow():
    found = render({"environment": {"AWS_REGION": "eu-west-1"}})
    assert found.environment()["AWS_REGION"] == "eu-west-1"
    assert '"eu-west-1"' in json.dumps(found.one("Deployment", "mlflow"))


def test_dags_from_git():
    git = {"repository": "https://g.example.com/d.git", "ref": "release", "folder": "dags", "refreshSeconds": 10}
    [bundle] = json.loads(
        render({"dags": {"git": git}}).environment()["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"]
    )
    assert bundle == {
        "name": "dags",
        "classpath": "airflow.providers.git.bundles.git.GitDagBundle",
        "kwargs": {
            "repo_url": git["repository"],
            "tracking_ref": "release",
            "refresh_interval": 10,
            "subdir": "dags",
        },
    }


@pytest.mark.parametrize(
    ("values", "url"),
    [
        pytest.param({}, "http://localhost:8080/", id="00 port-forward"),
        pytest.param({"apiServer": {"url": "https://a.example.com/air/"}}, "https://a.example.com/air/", id="10 said"),
        pytest.param(
            {"ingress": {"kind": "ingress", "host": "a.example.com", "tlsSecret": "c"}},
            "https://a.example.com/",
            id="20 Ingress with a certificate",
        ),
        pytest.param(
            {"ingress": {"kind": "gateway", "host": "a.example.com", "gateway": {"name": "g"}}},
            "https://a.example.com/",
            id="30 HTTPRoute",
        ),
    ],
)
def test_the_address_for_people(values: dict, url: str):
    assert render(values).environment()["AIRFLOW__API__BASE_URL"] == url


def test_one_way_in():
    ingress = {"host": "a.example.com", "class": "nginx", "tlsSecret": "cert", "annotations": {"a": "b"}}
    [found] = render({"ingress": {"kind": "ingress", **ingress}}).kind("Ingress")
    assert found["spec"]["tls"] == [{"hosts": ["a.example.com"], "secretName": "cert"}]
    assert found["spec"]["ingressClassName"] == "nginx"
    assert found["metadata"]["annotations"] == {"a": "b"}
    gateway = {"kind": "gateway", "host": "a.example.com", "gateway": {"name": "g", "namespace": "gw"}}
    [route] = render({"ingress": gateway}).kind("HTTPRoute")
    assert route["spec"]["parentRefs"] == [{"name": "g", "namespace": "gw"}]


def test_the_name_of_a_job_says_what_is_in_it():
    """An upgrade that changes it makes another one; one that does not leaves it."""
    jobs = {one["metadata"]["name"] for one in render().kind("Job")}
    assert jobs == {one["metadata"]["name"] for one in render({"scheduler": {"replicas": 2}}).kind("Job")}
    other = {one["metadata"]["name"] for one in render({"image": {"tag": "0.2.0"}}).kind("Job")}
    assert not jobs & other


def test_pods_start_again_when_their_configuration_changed():
    def mark(values: dict) -> str:
        one = render(values).one("Deployment", "dag-processor")
        return one["spec"]["template"]["metadata"]["annotations"]["skyrail.dev/configuration"]

    assert mark({}) == mark({"triggerer": {"replicas": 2}})
    assert mark({}) != mark({"airflow": {"core": {"parallelism": 1}}})


def test_data_that_is_to_stay():
    found = render({"keepData": True})
    kept = [*found.kind("Secret"), *found.kind("PersistentVolumeClaim")]
    assert all(one["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for one in kept)
    for one in found.kind("StatefulSet"):
        assert one["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Retain"


def test_a_bucket_in_place_of_the_volume():
    values = {"storage": {"bucket": "s3://b/x", "endpoint": "http://minio:9000", "keySecret": "keys"}}
    found = render(values)
    assert found.environment()["AIRFLOW__SKYRAIL_TRACKING__STORE"] == "s3://b/x"
    assert found.environment()["AWS_ENDPOINT_URL"] == "http://minio:9000"
    text = json.dumps(found.one("Deployment", "mlflow"))
    assert "s3://b/x/mlflow" in text
    assert "AWS_SECRET_ACCESS_KEY" in text
    assert "persistentVolumeClaim" not in text


def test_pgbouncer_shares_connections_by_transaction():
    database = {"host": "db.example.com", "passwordSecret": "db", "ssl": "require"}
    values = {"pgbouncer": {"connections": 17}, "database": database, "mlflow": {"passwordSecret": "m"}}
    found = render(values)
    text = found.one("ConfigMap", "pgbouncer")["data"]["pgbouncer.ini"]
    for line in ("pool_mode = transaction", "max_db_connections = 17", "server_tls_sslmode = require"):
        assert f"\n{line}\n" in text
    assert "sky-pgbouncer:6432" in json.dumps(found.one("Deployment", "scheduler"))
    assert "sky-postgresql:5432" in json.dumps(render({"pgbouncer": {"enabled": False}}).one("Deployment", "scheduler"))


def test_where_the_platforms_pods_go():
    scheduling = {"nodeSelector": {"pool": "system"}, "tolerations": [{"operator": "Exists"}], "priorityClass": "high"}
    found = render({"scheduling": scheduling, "image": {"pullSecrets": ["registry"]}, "userId": None})
    for name, pod in found.pods():
        spec = pod["spec"]
        assert spec["imagePullSecrets"] == [{"name": "registry"}], name
        assert "runAsUser" not in spec["securityContext"], name
        steps = pod["metadata"]["labels"]["app.kubernetes.io/component"] == "steps"
        assert (spec.get("nodeSelector") == {"pool": "system"}) is not steps, name
        assert (spec.get("priorityClassName") == "high") is not steps, name


def test_numbers_of_the_executors():
    values = {"scheduler": {"parallelism": 9, "queuedSeconds": 99, "podsPerLoop": 5, "podLaunchRetries": 1}}
    found = render(values).environment()
    assert found["AIRFLOW__CORE__PARALLELISM"] == "9"
    assert found["AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT"] == "99"
    assert found["AIRFLOW__KUBERNETES_EXECUTOR__WORKER_PODS_CREATION_BATCH_SIZE"] == "5"
    assert found["AIRFLOW__KUBERNETES_EXECUTOR__POD_LAUNCH_FAILURE_RETRIES"] == "1"


def test_the_notes_say_what_is_not_safe_yet():
    notes = render().notes
    assert "kubectl --namespace team exec deploy/sky-api-server" in notes
    assert "set database.host" in notes
    assert "without TLS" in notes
