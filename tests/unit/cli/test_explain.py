"""`skyrail explain`: where a step runs and why, with nothing running."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from skyrail.kubernetes.pods import step_pod, template
from skyrail.steps.resources.classes import load_classes
from skyrail.steps.resources.matching import larger

CLASSES = """\
classes:
  - {name: small, cpu: 1, memory: 2Gi, images: ["*"]}
  - {name: large, cpu: 4, memory: 16Gi, price: 0.4, queue: large, identities: [trainer]}
  - {name: huge, cpu: 8, memory: 64Gi, identities: [trainer]}
"""
IMAGE = "registry.example.com/train@sha256:" + "ab" * 32
DAG = f"""\
from airflow.sdk import dag, task


@dag(dag_id="flights.training", schedule=None)
def flights():
    @task.step(cpu=2, memory="8Gi", identity="trainer", grow_on_oom=True)
    def train(rows):
        return rows

    @task.step(cpu=0.5, image="{IMAGE}", command=["./score.sh"])
    def score(): ...

    train.expand(rows=[1, 2])
    score()


flights()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with a DAG and classes, and a machine of 8 CPUs, 32 GiB and no GPU."""
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "flights.py").write_text(DAG)
    (tmp_path / "classes.yaml").write_text(CLASSES)
    return tmp_path


def explain(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    resources = {"CLASSES": "classes.yaml", "POOL_CPU": "8", "POOL_MEMORY": "32Gi", "POOL_GPU": "0"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    return subprocess.run(
        [sys.executable, "-m", "skyrail.cli", "explain", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        timeout=120,
        env={**kept, **{f"AIRFLOW__SKYRAIL_RESOURCES__{name}": value for name, value in resources.items()}},
    )


def test_on_this_machine(folder: Path):
    """Class, reason and slots of a mapped step; nothing is left behind."""
    done = explain(folder, "flights.training.train")
    assert done.stderr == ""
    assert done.stdout == (
        "flights.training.train on local: class large, 0.4 an hour\n"
        "\n"
        "need           asked in dags/flights.py  offered in classes.yaml:3\n"
        "cpu            2 CPUs                    4 CPUs\n"
        "memory         8 GiB                     16 GiB\n"
        "gpu            -                         0 GPUs\n"
        "gpu_type       -                         -\n"
        "disk           -                         -\n"
        "shared_memory  -                         -\n"
        "identity       trainer                   trainer\n"
        "\n"
        "large is the smallest class that has what is asked.\n"
        "It takes 25 of the 100 slots of pool skyrail: its largest share of 8 CPUs, 32 GiB and 0 GPUs.\n"
        "Note: grow_on_oom has an effect on Kubernetes only: here no try is limited in its memory.\n"
        "Note: identity='trainer' has an effect on Kubernetes only.\n"
        "Arguments of the task: queue='default', pool='skyrail', pool_slots=25\n"
    )
    assert sorted(path.name for path in folder.iterdir()) == ["classes.yaml", "dags"]


def test_on_celery(folder: Path):
    """The queue of the class."""
    done = explain(folder, "flights.training.train", "--target", "celery")
    assert done.stdout.endswith("Arguments of the task: queue='large', pool='skyrail', pool_slots=25\n"), done.stderr


def test_on_kubernetes(folder: Path):
    """The output is the pod, with the explanation as comments."""
    done = explain(folder, "flights.training.train", "--target", "kubernetes")
    classes = load_classes(folder / "classes.yaml")
    large = next(one for one in classes if one.name == "large")
    expected = template(large, identity="trainer", larger=larger(large, classes, identity="trainer"))
    assert yaml.safe_load(done.stdout) == expected, done.stderr
    assert "# When it runs out of memory, the next tries get: huge.\n" in done.stdout


def test_an_image_on_kubernetes(folder: Path):
    """The pod of the author's image."""
    done = explain(folder, "flights.training.score", "--target", "kubernetes")
    small = next(one for one in load_classes(folder / "classes.yaml") if one.name == "small")
    assert yaml.safe_load(done.stdout) == step_pod(
        small,
        name="flights-training-score",
        image=IMAGE,
        command=["./score.sh"],
        environment={
            "HOME": "/tmp",
            "SKYRAIL_INPUTS": "/skyrail/inputs",
            "SKYRAIL_OUTPUTS": "/skyrail/outputs",
            "SKYRAIL_CONFIG": "/skyrail/config",
            "VH_INPUTS_DIR": "/skyrail/inputs",
            "VH_OUTPUTS_DIR": "/skyrail/outputs",
            "VH_CONFIG_DIR": "/skyrail/config",
        },
        folders={"inputs": "/skyrail/inputs", "outputs": "/skyrail/outputs", "config": "/skyrail/config"},
    ), done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["flights.training.trian"], "has no step 'trian'.\nDid you mean 'train'?", id="00 no such step"),
        pytest.param(["flights.trainin.train"], "Did you mean 'flights.training'?", id="01 no such DAG"),
        pytest.param(["a.b", "--target", "k8s"], "There is no target 'k8s' for steps.", id="10 no such target"),
        pytest.param(["a.b", "--dags", "nowhere"], "There is no folder", id="20 no DAGs"),
    ],
)
def test_refusals(folder: Path, arguments: list[str], says: str):
    """A sentence, and no traceback."""
    done = explain(folder, *arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert says in done.stderr
    assert "Traceback" not in done.stderr
