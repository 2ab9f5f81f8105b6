"""What an engine is told to do follows from plain values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from skyrail.errors import StepError
from skyrail.steps.containers import creation, engine
from skyrail.steps.containers.creation import Mount
from skyrail.steps.containers.engine import Engine

DOCKER = Engine("docker", cpus=8)


def created(machine: Engine) -> list[str]:
    return creation.create(
        machine,
        name="skyrail-1",
        image="sha256:1",
        command=["./train.sh", "--rate", "0.1"],
        mounts=[Mount(Path("/tmp/1/inputs"), "/skyrail/inputs"), Mount(Path("/tmp/1/out"), "/skyrail/outputs", True)],
        environment={"SKYRAIL_INPUTS": "/skyrail/inputs"},
        labels={"skyrail.step": "dag.train"},
        limits=["--cpus=4"],
        user=(1000, 100),
    )


def test_a_container_whole():
    """No privileges, the task's user, the command instead of the image's entrypoint, inputs that cannot be written."""
    assert created(DOCKER) == [
        "docker", "create", "--name", "skyrail-1", "--init", "--user", "1000:100",
        "--cap-drop=ALL", "--security-opt=no-new-privileges", "--security-opt=label=disable", "--log-driver=none",
        "--label=skyrail.step=dag.train",
        "--env=SKYRAIL_INPUTS=/skyrail/inputs",
        "--mount=type=bind,source=/tmp/1/inputs,target=/skyrail/inputs,readonly",
        "--mount=type=bind,source=/tmp/1/out,target=/skyrail/outputs",
        "--cpus=4",
        "--entrypoint=./train.sh", "sha256:1", "--rate", "0.1",
    ]  # fmt: skip


def test_a_folder_of_any_name_can_be_mounted():
    """Engines read a mount as a line of CSV."""
    arguments = creation.create(
        DOCKER, name="n", image="i", command=["x"], mounts=[Mount(Path('/tmp/a,"b"'), "/in")],
        environment={}, labels={}, limits=[], user=(0, 0),
    )  # fmt: skip
    assert '--mount=type=bind,"source=/tmp/a,""b""",target=/in,readonly' in arguments


@pytest.mark.parametrize(
    ("machine", "user"),
    [
        pytest.param(DOCKER, ["1000:100"], id="00 Docker"),
        pytest.param(Engine("docker", rootless=True), ["0:0"], id="10 rootless Docker, where root is the user"),
        pytest.param(Engine("docker", remapped=True), ["1000:100", "--userns=host"], id="11 Docker with other users"),
        pytest.param(Engine("podman", podman=True), ["1000:100"], id="20 Podman as root"),
        pytest.param(Engine("podman", podman=True, rootless=True), ["1000:100", "--userns=keep-id"], id="21 rootless"),
    ],
)
def test_outputs_belong_to_the_tasks_user(machine: Engine, user: list[str]):
    """Whatever the engine makes of users, the program's files can be read and removed here."""
    arguments = created(machine)
    after = arguments.index("--user") + 1
    assert arguments[after : after + len(user)] == user
    assert arguments[after + len(user)] == "--cap-drop=ALL"


@pytest.mark.parametrize(
    ("machine", "needs", "gpus", "devices", "arguments"),
    [
        pytest.param(DOCKER, {}, 0, "", ["--env=NVIDIA_VISIBLE_DEVICES=void"], id="00 nothing asked, no limit, no GPU"),
        pytest.param(DOCKER, {"cpu": 0.5}, 1, "0", ["--cpus=0.5", '--gpus="device=0"'], id="10 a part of a CPU"),
        pytest.param(DOCKER, {"cpu": 64}, 1, "0", ["--cpus=8", '--gpus="device=0"'], id="11 no more than there are"),
        pytest.param(
            DOCKER, {"memory": 1 << 30}, 1, "0",
            ["--memory=1073741824", "--memory-swap=1073741824", '--gpus="device=0"'], id="20 memory, and no swap",
        ),
        pytest.param(DOCKER, {"shared_memory": 5}, 1, "0", ["--shm-size=5", '--gpus="device=0"'], id="21 /dev/shm"),
        pytest.param(DOCKER, {}, 2, "1,3", ['--gpus="device=1,3"'], id="30 the GPUs that it holds"),
        pytest.param(DOCKER, {}, 2, None, ["--gpus=2"], id="31 any, where nobody says which"),
        pytest.param(
            Engine("podman", podman=True), {}, 2, "1,3",
            ["--device=nvidia.com/gpu=1", "--device=nvidia.com/gpu=3"], id="32 Podman",
        ),
    ],
)  # fmt: skip
def test_needs_are_limits(machine: Engine, needs: Any, gpus: int, devices: str | None, arguments: list[str]):
    """A container gets what its step asked for, and no more."""
    assert creation.limits(machine, needs, gpus, devices) == arguments


@pytest.mark.parametrize(
    ("info", "understood"),
    [
        pytest.param({"NCPU": 2, "SecurityOptions": ["name=seccomp,profile=default"]}, Engine("p", cpus=2), id="00"),
        pytest.param({"SecurityOptions": ["name=rootless"]}, Engine("p", rootless=True), id="10 rootless Docker"),
        pytest.param({"SecurityOptions": ["name=userns"]}, Engine("p", remapped=True), id="11 other users"),
        pytest.param(
            {"host": {"cpus": 4, "security": {"rootless": True}}}, Engine("p", True, True, cpus=4), id="20 Podman"
        ),
        pytest.param({"host": {"security": {"rootless": False}}}, Engine("p", True), id="21 Podman as root"),
    ],
)
def test_an_engine_describes_itself(info: Any, understood: Engine):
    """By what it says and not by its name: Podman can be installed as docker."""
    assert engine.understand("p", info) == understood


@pytest.mark.parametrize(
    ("reference", "digests", "name"),
    [
        pytest.param("r.example/a@sha256:1", [], "r.example/a@sha256:1", id="00 the author's digest"),
        pytest.param("r.example:5000/a:1", ["r.example:5000/a@sha256:2"], "r.example:5000/a@sha256:2", id="10 a tag's"),
        pytest.param("a", ["b@sha256:3", "a@sha256:2"], "a@sha256:2", id="11 of this name among several"),
        pytest.param("a:1", ["docker.io/library/a@sha256:2"], "docker.io/library/a@sha256:2", id="12 Podman's way"),
        pytest.param("a", ["b@sha256:3"], "b@sha256:3", id="13 the same content under another name"),
        pytest.param("a", [], "sha256:9", id="20 never in a registry"),
        pytest.param("a", ["localhost/a@sha256:2"], "sha256:9", id="21 nor with Podman"),
    ],
)
def test_an_image_is_recorded_by_its_digest(reference: str, digests: list[str], name: str):
    """A tag can move; what is recorded cannot."""
    assert engine.recorded(reference, "sha256:9", digests) == name
    assert engine.recorded(reference, "9", digests) == name  # as Podman says it


def test_no_engine_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """On a machine without an engine, the sentence says what was looked for."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(engine.VARIABLE, raising=False)
    with pytest.raises(StepError, match="docker is not installed; podman is not installed"):
        engine.find("dag.train")


def test_an_engine_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The reason is the engine's own, and another engine is tried before."""
    for name, says in (("docker", "Cannot connect to the daemon"), ("podman", "cannot find a user")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho {says} >&2\nexit 1\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(engine.VARIABLE, raising=False)
    with pytest.raises(StepError, match="docker: Cannot connect to the daemon; podman: cannot find a user"):
        engine.find("dag.train")


def test_the_engine_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """By an environment variable, where it is not the first that is found."""
    program = tmp_path / "mine"
    program.write_text("#!/bin/sh\necho '{\"NCPU\": 3}'\n")
    program.chmod(0o755)
    monkeypatch.setenv(engine.VARIABLE, str(program))
    assert engine.find("dag.train") == Engine(str(program), cpus=3)
