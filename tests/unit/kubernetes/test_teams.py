"""Steps of a team run in its namespace, whatever the DAG's file says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from skyrail.errors import SettingsError
from skyrail.kubernetes.pods import template
from skyrail.kubernetes.teams import Team, load_teams, moved, team_of
from skyrail.policies import TeamError, pod_mutation_hook
from skyrail.steps.resources.classes import ResourceClass
from skyrail.steps.resources.site import configured_executors

RISK = Team("risk", "team-risk", ("risk_*", "limits"), ("warehouse",), {"cloud": "yes"})
ADS = Team("ads", "team-ads", ("ads_*", "risk_of_ads"))
BASE = {
    "metadata": {"labels": {"app": "sky"}},
    "spec": {
        "serviceAccountName": "sky-steps",
        "initContainers": [{"name": "flusher", "restartPolicy": "Always", "image": "x"}],
        "containers": [{"name": "base", "envFrom": [{"configMapRef": {"name": "sky-environment"}}]}],
        "volumes": [
            {"name": "home", "emptyDir": {}},
            {"name": "shared", "persistentVolumeClaim": {"claimName": "sky-shared"}},
        ],
    },
}


@pytest.mark.parametrize(
    ("dag", "team"),
    [
        pytest.param("risk_daily", RISK, id="00 by a pattern"),
        pytest.param("limits", RISK, id="10 by its name"),
        pytest.param("ads_weekly", ADS, id="20 the other team"),
        pytest.param("risk_of_ads", RISK, id="30 of two, the first"),
        pytest.param("Risk_daily", None, id="40 another case is another name"),
        pytest.param("flights", None, id="50 of none"),
    ],
)
def test_whose_a_dag_is(dag: str, team: Team | None):
    assert team_of(dag, (RISK, ADS)) is team


def test_a_pod_moves_with_what_it_needs():
    """The claim of another namespace becomes an empty folder; the team's Secrets are variables of the step alone."""
    plain = template(ResourceClass("small", 1, 2**30), base=BASE)
    pod = moved(plain, RISK)
    assert pod["metadata"]["namespace"] == "team-risk"
    assert pod["metadata"]["labels"] == {
        "app": "sky", "skyrail.dev/class": "small", "skyrail.dev/team": "risk", "cloud": "yes"
    }  # fmt: skip
    assert pod["spec"]["volumes"] == [{"name": "home", "emptyDir": {}}, {"name": "shared", "emptyDir": {}}]
    [step] = pod["spec"]["containers"]
    assert step["envFrom"] == [
        {"configMapRef": {"name": "sky-environment"}}, {"secretRef": {"name": "warehouse"}}
    ]  # fmt: skip
    assert pod["spec"]["initContainers"] == plain["spec"]["initContainers"]
    assert pod["spec"]["serviceAccountName"] == "sky-steps"


@pytest.fixture
def teams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "teams.yaml"
    entries = [
        {"name": one.name, "namespace": one.namespace, "dags": list(one.dags), "secrets": list(one.secrets)}
        for one in (RISK, ADS)
    ]
    file.write_text(yaml.safe_dump({"teams": entries}))
    monkeypatch.setenv("AIRFLOW__SKYRAIL_RESOURCES__TEAMS", str(file))
    monkeypatch.setenv("AIRFLOW__KUBERNETES_EXECUTOR__NAMESPACE", "platform")
    return file


def _made(dag: str, override: dict[str, Any] | None = None) -> Any:
    """Make a pod as Airflow's executor does, and hand it to the policy, as it does then."""
    generator = pytest.importorskip("airflow.providers.cncf.kubernetes.pod_generator").PodGenerator
    pod = generator.construct_pod(
        dag_id=dag,
        task_id="train",
        pod_id="pod",
        try_number=1,
        kube_image="skyrail",
        date=None,
        args=["run"],
        pod_override_object=generator.deserialize_model_dict(override) if override else None,
        base_worker_pod=generator.deserialize_model_dict(template(ResourceClass("small", 1, 2**30), base=BASE)),
        namespace="platform",
        scheduler_job_id="1",
        run_id="r",
    )
    pod_mutation_hook(pod)
    return pod


@pytest.mark.parametrize(
    ("dag", "namespace"),
    [
        pytest.param("risk_daily", "team-risk", id="00 a team's"),
        pytest.param("ads_daily", "team-ads", id="10 the other's"),
        pytest.param("flights", "platform", id="20 nobody's stays"),
    ],
)
def test_airflow_makes_the_pod_in_the_namespace_of_the_team(teams: Path, dag: str, namespace: str):
    pod = _made(dag)
    assert pod.metadata.namespace == namespace
    assert pod.spec.containers[0].args == ["run"]
    # The executor finds its pods by these.
    assert pod.metadata.labels["dag_id"] == dag
    assert pod.spec.init_containers[0].restart_policy == "Always"
    shared = next(one for one in pod.spec.volumes if one.name == "shared")
    assert (shared.persistent_volume_claim is None) is (namespace != "platform")


@pytest.mark.parametrize(
    ("dag", "asked", "refused"),
    [
        pytest.param("ads_daily", "team-risk", "its team 'ads' has 'team-ads'", id="00 another team's"),
        pytest.param("flights", "team-risk", "no team has this DAG", id="10 nobody's DAG, a team's namespace"),
        pytest.param("ads_daily", "kube-system", "its team 'ads' has 'team-ads'", id="20 anywhere else"),
        pytest.param("ads_daily", "team-ads", "", id="30 its own"),
    ],
)
def test_a_dag_cannot_ask_for_the_namespace_of_another_team(teams: Path, dag: str, asked: str, refused: str):
    """Its Secrets and its cloud's rights would come with it."""
    override = {"metadata": {"namespace": asked}, "spec": {"containers": [{"name": "base"}]}}
    if not refused:
        assert _made(dag, override).metadata.namespace == asked
        return
    with pytest.raises(TeamError, match=refused):
        _made(dag, override)


def test_a_step_does_not_run_elsewhere_because_the_teams_cannot_be_read(teams: Path):
    teams.write_text("teams: [{}]")
    with pytest.raises(SettingsError, match="cannot be read"):
        _made("risk_daily")
    teams.unlink()
    with pytest.raises(SettingsError, match="cannot be read"):
        load_teams(teams)


@pytest.mark.parametrize(
    ("metadata", "refused"),
    [
        pytest.param({"annotations": {"dag_id": "risk_daily"}}, "dag_id", id="00 another DAG's name"),
        pytest.param({"labels": {"kubernetes_executor": "no"}}, "kubernetes_executor", id="10 no pod of a task's"),
        pytest.param({"labels": {"team": "risk"}, "annotations": {"owner": "me"}}, "", id="20 labels of one's own"),
        pytest.param({}, "", id="30 none"),
        pytest.param(None, "", id="40 no pod_override"),
    ],
)
def test_a_dag_cannot_say_that_it_is_another(
    teams: Path, metadata: dict[str, Any] | None, refused: str, caplog: pytest.LogCaptureFixture
):
    """A pod_override wins over what Airflow writes on a pod; its task fails, and the scheduler's log says why."""
    generator = pytest.importorskip("airflow.providers.cncf.kubernetes.pod_generator").PodGenerator
    from skyrail.executors import KubernetesExecutor

    executor = KubernetesExecutor()
    started: list[Any] = []
    failed: list[str] = []
    executor.fail = lambda **said: failed.append(said["info"])
    executor.task_queue = SimpleNamespace(put=started.append)
    executor.event_buffer = {}
    pod = generator.deserialize_model_dict({"metadata": metadata, "spec": {"containers": [{"name": "base"}]}})
    config = {} if metadata is None else {"pod_override": pod}
    executor.execute_async(key="key", command=["run"], executor_config=config)
    assert len(started) == (0 if refused else 1)
    assert [refused in one for one in failed] == ([True] if refused else [])


@pytest.mark.parametrize(
    ("template", "refused"),
    [
        pytest.param("/opt/airflow/pod_templates/small.yaml", False, id="00 a class's"),
        pytest.param(None, False, id="10 none"),
        pytest.param("/opt/airflow", True, id="20 a folder, at which the scheduler would end"),
        pytest.param("/opt/airflow/pod_templates/../logs/mine.yaml", True, id="30 a file that a step wrote"),
        pytest.param(7, True, id="40 no path"),
    ],
)
def test_a_pod_template_is_one_of_the_platforms(template: Any, refused: bool):
    """Airflow reads it before anybody else is asked."""
    pytest.importorskip("airflow.providers.cncf.kubernetes")
    from skyrail.executors import refusal

    assert ("none of the platform's" in refusal({"pod_template_file": template})) is refused


def test_the_log_of_a_running_step_is_looked_for_where_it_runs(teams: Path):
    """By its DAG's name: the api-server knows nothing else of a task's pod."""
    pytest.importorskip("airflow.providers.cncf.kubernetes")
    from skyrail.executors import KubernetesExecutor

    executor = KubernetesExecutor()
    assert executor._get_pod_namespace(SimpleNamespace(dag_id="risk_daily", executor_config={})) == "team-risk"
    assert executor._get_pod_namespace(SimpleNamespace(dag_id="flights", executor_config={})) == "platform"


def test_resource_classes_name_the_executor_as_before(monkeypatch: pytest.MonkeyPatch):
    """For Skyrail, which compares names, and for Airflow, which looks the class up."""
    both = "CeleryExecutor,skyrail.executors.KubernetesExecutor"
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", both)
    assert configured_executors() == ("CeleryExecutor", "KubernetesExecutor")
    code = (
        "from airflow.executors.executor_loader import ExecutorLoader as loader;"
        "print(loader.lookup_executor_name_by_str('KubernetesExecutor').module_path)"
    )
    # In a process of its own: Airflow reads the option once.
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "skyrail.executors.KubernetesExecutor"
