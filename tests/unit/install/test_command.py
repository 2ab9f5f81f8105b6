"""`skyrail install` from its command line to its last line, with a cluster that is a list of objects."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import Result
from tests.fakes.cluster_programs import FakeCluster, node, storage_class
from tests.unit.install.test_progress import workload
from typer.testing import CliRunner

from skyrail.cli import install_display, installing
from skyrail.cli.main import app
from skyrail.errors import SkyrailError
from skyrail.install import progress
from skyrail.install.manifests import load
from skyrail.install.programs import Done, Programs
from skyrail.install.release import complaint, unsafe
from skyrail.install.values import Answers

RELEASE = {"name": "sky", "chart": "skyrail-0.1.0", "status": "deployed", "revision": "1"}
NOTES = """\
Skyrail 0.1.0 is installed in the namespace team.

Not safe for production yet:
  * the queue is one pod without a copy: set broker.urlSecret
  * people come in without TLS: set ingress, with a certificate

Next: see that all is ready
"""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    """A cluster on which everything that Helm makes is ready at once."""
    found = FakeCluster()
    found.notes = NOTES

    def installed() -> None:
        rendered = load(found._helm_template(["sky"], "").out)
        kinds = ("Deployment", "StatefulSet", "Job")
        made = [
            workload(one["kind"], ready=True, name=one["metadata"]["name"]) for one in rendered if one["kind"] in kinds
        ]
        for one in made:
            owner = {"meta.helm.sh/release-name": "sky", "meta.helm.sh/release-namespace": "team"}
            one["metadata"] |= {"annotations": owner, "namespace": "team"}
            one["metadata"]["labels"] = one["metadata"]["labels"] | {"app.kubernetes.io/managed-by": "Helm"}
        found.objects += made
        found.releases = [RELEASE]

    found.on_upgrade = installed
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Programs, "missing", lambda _: [])
    monkeypatch.setattr(
        installing, "Programs", lambda namespace, context: Programs(namespace, context, execute=found.execute)
    )
    monkeypatch.setattr(progress, "PAUSE", 0.0)
    return found


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["install", "--namespace", "team", "--release", "sky", *arguments])


def test_it_installs_and_says_what_next(cluster: FakeCluster):
    done = run("--bucket", "s3://b/c", "--yes")
    assert done.exit_code == 0, done.output
    assert "Values are in sky-values.yaml" in done.output
    assert "sky runs in the namespace team." in done.output
    assert "deployment/sky-scheduler: ready" in done.output
    assert "skyrail login --namespace team --release sky" in done.output
    assert "  * people come in without TLS" in done.output
    assert "--values sky-values.yaml --check" in done.output
    [upgrade] = cluster.changed()
    assert "upgrade sky" in upgrade
    assert upgrade.endswith("--values sky-values.yaml --namespace team")
    assert Path("sky-values.yaml").read_text().endswith("storage:\n  bucket: s3://b/c\n")


@pytest.mark.parametrize("there", [True, False])
def test_a_namespace_is_made_only_if_it_is_not_there(cluster: FakeCluster, there: bool):
    """Helm tries to make one that is there, too, and fails without that right."""
    if not there:
        cluster.objects = [one for one in cluster.objects if one["kind"] != "Namespace"]
    assert run("--yes").exit_code == 0
    assert ("--create-namespace" in cluster.changed()[0]) is not there


def test_a_second_run_with_the_same_words_does_the_same(cluster: FakeCluster):
    assert run("--bucket", "s3://b/c", "--yes").exit_code == 0
    assert run("--bucket", "s3://b/c", "--yes").exit_code == 0


def test_what_is_refused_changes_nothing(cluster: FakeCluster):
    """Not even a values file is written, and no link is printed."""
    cluster.objects = [node(), storage_class("gp3", "ebs.csi.aws.com")]
    done = run("--database", "pg", "--yes")
    assert done.exit_code == 1
    assert isinstance(done.exception, SkyrailError)
    assert "Checks that were refused: 1" in done.exception.message
    assert "Please put it into a Secret" in done.output
    assert cluster.changed() == []
    assert list(Path().iterdir()) == []


def test_what_was_changed_by_hand_is_set_back(cluster: FakeCluster):
    """Helm 4 stops at it, and does it when it is told to; Helm 3 has no such word, and does it anyway."""
    said = 'Error: UPGRADE FAILED: Apply failed with 1 conflict: conflict with "kubectl-edit" using v1: .data.a'
    upgrade = cluster._helm_upgrade
    cluster._helm_upgrade = lambda words, text: (  # type: ignore[method-assign]
        upgrade(words, text) if "--force-conflicts" in words else Done(1, "", said)
    )
    assert run("--yes").exit_code == 0
    assert [each.count("--force-conflicts") for each in cluster.changed()] == [0, 1]


def test_helm_s_complaint_is_said_without_its_log(cluster: FakeCluster):
    said = 'level=INFO msg="found symbolic link"\nlevel=WARN msg="x"\nError: UPGRADE FAILED: no matches for kind'
    cluster._helm_upgrade = lambda *_: Done(1, "", said)  # type: ignore[method-assign]
    done = run("--yes")
    assert isinstance(done.exception, SkyrailError)
    assert done.exception.message == "Helm could not install sky: Error: UPGRADE FAILED: no matches for kind"


def test_check_lists_what_would_be_made(cluster: FakeCluster):
    done = run("--check")
    assert done.exit_code == 0, done.output
    assert "objects would be made" in done.output
    assert "  CronJob: sky-pod-cleanup" in done.output
    assert cluster.changed() == []


def test_check_lists_what_would_change(cluster: FakeCluster):
    cluster.releases = [RELEASE]
    cluster.manifest = cluster._helm_template(["sky"], "").out
    done = run("--check", "--executor", "KubernetesExecutor")
    assert done.exit_code == 0, done.output
    assert "  removed  StatefulSet/sky-workers-default" in done.output
    assert "  changed  Deployment/sky-scheduler; its pods are replaced" in done.output
    before, after = "CeleryExecutor,skyrail.executors.KubernetesExecutor", "skyrail.executors.KubernetesExecutor"
    assert f"data.AIRFLOW__CORE__EXECUTOR: {before} → {after}" in done.output
    assert cluster.changed() == []


def test_the_same_again_sets_back_what_was_changed_by_hand(cluster: FakeCluster):
    cluster.releases = [RELEASE]
    cluster.manifest = cluster._helm_template(["sky"], "").out
    scaled = next(one for one in load(cluster.manifest) if one["metadata"]["name"] == "sky-mlflow")
    scaled["spec"] |= {"replicas": 0}
    owner = {"meta.helm.sh/release-name": "sky", "meta.helm.sh/release-namespace": "team"}
    cluster.objects.append({**scaled, "metadata": {**scaled["metadata"], "annotations": owner}})
    output = run("--check").output
    assert "Nothing would change in sky." in output
    assert "  gone     Deployment/sky-scheduler" in output
    assert "  by hand  Deployment/sky-mlflow\n             spec.replicas: 1 → 0" in output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param(["--values", "none.yaml"], "none.yaml cannot be read: No such file", id="00 no such file"),
        pytest.param(["--values", "list.yaml"], "list.yaml holds no keys", id="10 a list"),
        pytest.param(["--values", "broken.yaml"], "broken.yaml is no YAML", id="20 no YAML"),
        pytest.param(["--database", "pg:x"], "--database pg:x is no HOST", id="30 no port"),
        pytest.param(["--chart", "nowhere"], "The chart is not there; it was looked for in nowhere", id="40 no chart"),
    ],
)
def test_a_wrong_use_says_what_is_right(cluster: FakeCluster, arguments: list[str], sentence: str):
    Path("list.yaml").write_text("- a\n")
    Path("broken.yaml").write_text("a: [\n")
    done = run("--yes", *arguments)
    assert isinstance(done.exception, SkyrailError)
    assert sentence in done.exception.message
    assert done.exception.fix


def test_the_chart_s_own_sentences_are_passed_on():
    said = (
        "Error: execution error at (skyrail/templates/refusals.yaml:2:4): \nWithout the store there is no database.\n"
        "Please name yours:\ndatabase:\n  host: a\n\nUse --debug flag to render out invalid YAML\n"
    )
    assert complaint(said) == "Without the store there is no database.\nPlease name yours:\ndatabase:\n  host: a"


def test_notes_are_read_for_what_is_not_safe():
    assert len(unsafe(NOTES)) == 2
    assert unsafe("Not safe for production yet:\n  * nothing that this chart knows of\n\nNext:") == []


@pytest.mark.parametrize(
    ("typed", "answers"),
    [
        pytest.param(["", "", "", "", "", "", "", ""], Answers(gpu=False), id="00 Enter and no GPUs"),
        pytest.param(
            [
                "reg/sky",
                "https://git/dags",
                "v1",
                "pg",
                "",
                "ml",
                "KubernetesExecutor",
                "s3://b",
                "a.b",
                "gateway",
                "y",
            ],
            Answers(
                registry="reg/sky",
                git="https://git/dags",
                git_ref="v1",
                database="pg",
                database_secret="skyrail-database",
                mlflow_secret="ml",
                executor="KubernetesExecutor",
                bucket="s3://b",
                address="a.b",
                ingress="gateway",
            ),
            id="10 everything of one's own",
        ),
    ],
)
def test_a_newcomer_is_asked(typed: list[str], answers: Answers):
    """Only what follows from what was said before."""
    with CliRunner().isolation(input="\n".join(typed) + "\n"):
        assert install_display.questions() == answers
