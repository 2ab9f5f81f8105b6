"""Where a step runs, compared whole, and that all steps together fit into the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrail.errors import SettingsError, SkyrailError
from skyrail.settings import ResourceSettings
from skyrail.steps.resources.errors import ResourceError
from skyrail.steps.resources.machine import Machine, measured
from skyrail.steps.resources.needs import Needs
from skyrail.steps.resources.placement import place, slots
from skyrail.steps.resources.site import SLOTS, classes_file, shared

GIB = 1024**3
TEMPLATES = "/opt/airflow/pod_templates"


def pod(template: str) -> dict[str, Any]:
    config = {"pod_template_file": f"{TEMPLATES}/{template}"}
    return {"executor": "KubernetesExecutor", "executor_config": config}


@pytest.mark.parametrize(
    ("target", "needs", "more", "name", "where", "kwargs"),
    [
        pytest.param("local", {}, {}, "small", "local", {"pool": "skyrail", "pool_slots": 1}, id="00 nothing asked"),
        pytest.param("local", {"cpu": 2}, {}, "large", "local", {"pool": "skyrail", "pool_slots": 25}, id="01 CPUs"),
        pytest.param(
            "local",
            {"cpu": 1, "memory": "16Gi"},
            {},
            "large",
            "local",
            {"pool": "skyrail", "pool_slots": 50},
            id="02 the larger share counts",
        ),
        pytest.param(
            "local",
            {"disk": None, "cpu": 0.01},
            {},
            "small",
            "local",
            {"pool": "skyrail", "pool_slots": 1},
            id="03 one slot at least",
        ),
        pytest.param(
            "local",
            {"memory": "100Gi"},
            {},
            "huge",
            "local",
            {"pool": "skyrail", "pool_slots": 100},
            id="04 more than the machine",
        ),
        pytest.param(
            "celery",
            {"cpu": 4},
            {},
            "large",
            "celery",
            {"pool": "skyrail", "pool_slots": 50, "queue": "large"},
            id="10 a queue",
        ),
        pytest.param(
            "celery", {}, {}, "small", "celery", {"pool": "skyrail", "pool_slots": 1}, id="11 the default queue"
        ),
        pytest.param(
            "celery",
            {"gpu": 1},
            {},
            "gpu",
            "kubernetes",
            {**pod("gpu.yaml"), "queue": "gpus"},
            id="12 a class that is elsewhere",
        ),
        pytest.param("kubernetes", {}, {}, "small", "kubernetes", pod("small.yaml"), id="20 a pod"),
        pytest.param(
            "kubernetes",
            {"cpu": 2},
            {},
            "large",
            "kubernetes",
            {**pod("large.yaml"), "queue": "large"},
            id="21 a pod and a queue",
        ),
        pytest.param(
            "kubernetes",
            {"cpu": 2},
            {"identity": "trainer"},
            "large",
            "kubernetes",
            {**pod("large.trainer.yaml"), "queue": "large"},
            id="22 as somebody",
        ),
        pytest.param(
            "kubernetes", {}, {"grow_on_oom": True}, "small", "kubernetes", pod("small.grow.yaml"), id="23 that grows"
        ),
        pytest.param(
            "kubernetes",
            {"cpu": 2},
            {"identity": "trainer", "grow_on_oom": True},
            "large",
            "kubernetes",
            {**pod("large.trainer.grow.yaml"), "queue": "large"},
            id="24 both",
        ),
        pytest.param(
            "kubernetes",
            {"cpu": 64},
            {"grow_on_oom": True},
            "huge",
            "kubernetes",
            pod("huge.yaml"),
            id="25 the largest cannot grow",
        ),
    ],
)
def test_a_place(
    configure: Any,
    target: str,
    needs: dict[str, Any],
    more: dict[str, Any],
    name: str,
    where: str,
    kwargs: dict[str, Any],
):
    """Class, target and the arguments of Airflow's operator, plain values all."""
    placement = place("train", Needs.of("train", **needs), target=target, **more)
    assert (placement.resource_class.name, placement.target) == (name, where)
    assert placement.kwargs == kwargs


@pytest.mark.parametrize(
    ("target", "options", "needs", "more", "notice"),
    [
        pytest.param("local", {}, {"cpu": 2}, {}, None, id="00 nothing to say"),
        pytest.param(
            "local",
            {},
            {"cpu": 10},
            {},
            "asks for 10 CPUs, more than the 8 CPUs here: it runs alone",
            id="10 more CPUs than there are",
        ),
        pytest.param(
            "local",
            {},
            {"memory": "64Gi"},
            {},
            "asks for 64 GiB of memory, more than the 32 GiB here",
            id="11 more memory than there is",
        ),
        pytest.param(
            "local",
            {"cpu_ok": "True"},
            {"gpu": 1},
            {},
            "asks for 1 GPU, and there are 0 here. It goes on without",
            id="12 no GPU, and none needed",
        ),
        pytest.param(
            "local",
            {},
            {},
            {"grow_on_oom": True},
            "grow_on_oom has an effect on Kubernetes only",
            id="20 it cannot grow",
        ),
        pytest.param(
            "local",
            {},
            {},
            {"identity": "trainer"},
            "identity='trainer' has an effect on Kubernetes only",
            id="21 nobody to be",
        ),
        pytest.param(
            "kubernetes",
            {},
            {"cpu": 64},
            {"grow_on_oom": True},
            "no class to grow into from 'huge'",
            id="22 nothing larger",
        ),
    ],
)
def test_what_the_author_should_know(
    configure: Any,
    target: str,
    options: dict[str, Any],
    needs: dict[str, Any],
    more: dict[str, Any],
    notice: str | None,
):
    """One sentence each."""
    configure(**options)
    notices = place("train", Needs.of("train", **needs), target=target, **more).notices
    assert len(notices) == (0 if notice is None else 1)
    assert notice is None or notice in notices[0]


@pytest.mark.parametrize(
    ("options", "needs", "more", "kind", "message", "fix"),
    [
        pytest.param(
            {},
            {"gpu": 1},
            {},
            ResourceError,
            "Step 'train' asks for 1 GPU, and there are 0 here.",
            "skyrail up --cpu-ok",
            id="00 no GPU",
        ),
        pytest.param(
            {"pool_gpu": 1},
            {"gpu": 2},
            {},
            ResourceError,
            "asks for 2 GPUs, and there is 1 here.",
            "skyrail up --cpu-ok",
            id="01 too few",
        ),
        pytest.param(
            {"target": "cellery"},
            {},
            {},
            SettingsError,
            "There is no target 'cellery'",
            "Did you mean celery?",
            id="10 no such target",
        ),
        pytest.param(
            {"target": "celery", "pool_memory": ""},
            {},
            {},
            SettingsError,
            "nothing says what these have together",
            "pool_cpu, pool_memory",
            id="11 workers of unknown size",
        ),
        pytest.param(
            {"pool_memory": "64 gigs"}, {}, {}, SettingsError, "pool_memory is '64 gigs'", '"64Gi"', id="12 a bad size"
        ),
        pytest.param(
            {"classes": "/nowhere/classes.yaml"},
            {},
            {},
            ResourceError,
            "cannot be read from /nowhere",
            "[skyrail_resources] classes",
            id="13 no classes",
        ),
        pytest.param(
            {"cpu_ok": "maybe"},
            {},
            {},
            SettingsError,
            "cpu_ok is 'maybe', which is not of type bool",
            "",
            id="14 no truth",
        ),
        pytest.param(
            {"target": "kubernetes"},
            {},
            {"image": "python:3.13"},
            ResourceError,
            "is without a digest",
            "imagetools inspect",
            id="20 an image that may change",
        ),
        pytest.param(
            {},
            {"cpu": 100},
            {},
            ResourceError,
            "No resource class has what step 'train' asks for",
            "Ask for less",
            id="30 impossible",
        ),
    ],
)
def test_refusals(
    configure: Any,
    options: dict[str, Any],
    needs: dict[str, Any],
    more: dict[str, Any],
    kind: type[SkyrailError],
    message: str,
    fix: str,
):
    """Each says what to do."""
    configure(**options)
    with pytest.raises(kind) as error:
        place("train", Needs.of("train", **needs), **more)
    assert message in error.value.message
    assert fix in error.value.fix


def test_gpus_are_the_steps_own_outside_kubernetes(configure: Any):
    """In a pod the cluster hands them out, so the step takes none itself."""
    configure(pool_gpu=2)
    assert place("train", Needs(gpu=2)).gpus == 2
    assert place("train", Needs(gpu=2)).kwargs == {"pool": "skyrail", "pool_slots": 100}
    assert place("train", Needs(gpu=2), target="kubernetes").gpus == 0


def test_a_class_that_is_gone_is_noticed_when_the_file_is_read(configure: Any, tmp_path: Path):
    """A task reads its DAG file when it starts, so what waited for the class fails with the sentence."""
    needs = Needs(memory=10 * GIB)
    assert place("train", needs).resource_class.name == "large"
    (tmp_path / "classes.yaml").write_text("classes: [{name: small, cpu: 1, memory: 2Gi}]")
    with pytest.raises(ResourceError, match="The closest is 'small'"):
        place("train", needs)


def test_a_retired_class_is_the_last_resort(configure: Any, tmp_path: Path):
    """What waits for it is not refused, and its author is told."""
    file = tmp_path / "classes.yaml"
    file.write_text(file.read_text().replace("memory: 16Gi,", "memory: 16Gi, retired: true,"))
    assert place("train", Needs(cpu=2)).resource_class.name == "huge"
    file.write_text(file.read_text().replace("memory: 256Gi,", "memory: 256Gi, retired: true,"))
    placement = place("train", Needs(cpu=2))
    assert placement.resource_class.name == "large"
    assert placement.notices == (
        "Step 'train' gets class 'large', which is retired: nothing else has what it asks for.",
    )


MACHINE = st.builds(Machine, st.floats(0.5, 256), st.integers(GIB // 2, 4096 * GIB), st.integers(0, 8))


@st.composite
def _crowd(draw: st.DrawFn) -> tuple[Machine, list[Needs]]:
    machine = draw(MACHINE)
    cpu = st.none() | st.floats(0.001, machine.cpu)
    memory = st.none() | st.integers(1, machine.memory)
    gpu = st.none() | st.integers(0, machine.gpus)
    return machine, draw(st.lists(st.builds(Needs, cpu, memory, gpu), min_size=1, max_size=30))


@given(_crowd())
def test_steps_that_fit_into_the_pool_fit_into_the_machine(crowd: tuple[Machine, list[Needs]]):
    """Airflow fills the pool as far as it goes; nothing of the machine is ever lent twice."""
    machine, waiting = crowd
    running: list[Needs] = []
    free = SLOTS
    for needs in waiting:
        if (taken := slots(needs, machine)) <= free:
            free -= taken
            running.append(needs)
    assert sum(needs.cpu or 0 for needs in running) <= machine.cpu * (1 + 1e-9)
    assert sum(needs.memory or 0 for needs in running) <= machine.memory * (1 + 1e-9)
    assert sum(needs.gpu or 0 for needs in running) <= machine.gpus


@given(MACHINE, st.floats(0.001, 1000), st.integers(1, 8000 * GIB))
def test_every_step_gets_its_turn(machine: Machine, cpu: float, memory: int):
    """No step takes more slots than the pool has, or none."""
    assert 1 <= slots(Needs(cpu=cpu, memory=memory), machine) <= SLOTS


def test_a_share_is_not_rounded_up_by_an_error_of_division():
    """Twenty steps of a twentieth fill the machine."""
    assert slots(Needs(cpu=0.07), Machine(1, GIB)) == 7
    assert slots(Needs(cpu=0.05), Machine(1, GIB)) == 5


def test_this_machine_is_measured_where_nothing_is_set():
    """An option that is set wins by itself."""
    here = measured()
    assert shared(ResourceSettings(), "local") == here
    assert shared(ResourceSettings(pool_cpu=3.0), "local") == Machine(3.0, here.memory, here.gpus)
    assert shared(ResourceSettings(pool_memory="4Gi", pool_gpu=7), "local") == Machine(here.cpu, 4 * GIB, 7)
    assert shared(ResourceSettings(pool_cpu=3.0, pool_memory="4Gi"), "celery") == Machine(3.0, 4 * GIB, 0)


def test_where_the_classes_are_looked_for(tmp_path: Path):
    """The option, then beside the configuration in use, then Skyrail's own."""
    own, airflows = tmp_path / "own", tmp_path / "airflows"
    for folder in (own, airflows):
        folder.mkdir()
        (folder / "classes.yaml").write_text("")
    environ = {"SKYRAIL_CONFIG": str(own), "AIRFLOW_CONFIG": str(airflows / "airflow.cfg")}
    assert classes_file(ResourceSettings(classes="/etc/mine.yaml"), environ) == Path("/etc/mine.yaml")
    assert classes_file(ResourceSettings(), environ) == own / "classes.yaml"
    del environ["SKYRAIL_CONFIG"]
    assert classes_file(ResourceSettings(), environ) == airflows / "classes.yaml"
    (airflows / "classes.yaml").unlink()
    assert classes_file(ResourceSettings(), environ) == Path(__file__).parents[4] / "config" / "classes.yaml"
