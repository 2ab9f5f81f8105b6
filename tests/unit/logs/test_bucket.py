"""Logs of tasks in a bucket: here a folder, by fsspec."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from skyrail.logs.bucket import BucketLogs

NAME = "dag_id=risk/run_id=manual__2026-01-01T00:00:00+00:00/task_id=fit/attempt=1.log"


@pytest.fixture
def logs(tmp_path: Path) -> BucketLogs:
    return BucketLogs(f"file://{tmp_path}/bucket", tmp_path / "local")


def _write(logs: BucketLogs, text: str, name: str = NAME) -> None:
    file = logs.local / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    logs.upload(name)


def test_what_is_sent_is_read(logs: BucketLogs):
    _write(logs, "one\ntwo\n")
    [source], texts = logs.read(NAME, None)
    assert texts == ["one\ntwo\n"]
    assert source.endswith(NAME)


def test_a_task_that_runs_has_nothing_here_yet(logs: BucketLogs):
    assert logs.read(NAME, None) == ([], None)


@pytest.mark.parametrize(
    ("second", "whole"),
    [
        pytest.param("three\n", "one\nthree\n", id="00 a second pod with the second half"),
        pytest.param("one\nthree\n", "one\nthree\n", id="10 a worker that has both halves"),
    ],
)
def test_a_task_that_was_deferred_has_one_log(logs: BucketLogs, second: str, whole: str):
    _write(logs, "one\n")
    _write(logs, second)
    assert logs.read(NAME, None)[1] == [whole]


def test_what_the_triggerer_wrote_is_part_of_it(logs: BucketLogs):
    _write(logs, "one\n")
    _write(logs, "waits\n", f"{NAME}.trigger.5.log")
    _write(logs, "other\n", NAME.replace("attempt=1", "attempt=2"))
    assert logs.read(NAME, None)[1] == ["one\n", "waits\n"]


def test_a_store_that_does_not_answer_fails_no_task(logs: BucketLogs, caplog: pytest.LogCaptureFixture):
    """And the page of the log says why there is none."""
    _write(logs, "one\n")
    logs.address = "nowhere://bucket"
    with caplog.at_level(logging.ERROR):
        logs.upload(NAME)
    assert "cannot be kept at nowhere://bucket" in caplog.text
    [source], texts = logs.read(NAME, None)
    assert "cannot be read" in source
    assert texts is None


def test_in_a_real_object_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    """By S3's interface: a log is kept and read, and a bucket that is missing is not made."""
    fsspec = pytest.importorskip("fsspec")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "a")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        system = fsspec.filesystem("s3", skip_instance_cache=True)
        system.mkdir("logs-of-teams")
        logs = BucketLogs("s3://logs-of-teams/sky/logs", tmp_path)
        assert logs.read(NAME, None) == ([], None)
        _write(logs, "one\n")
        _write(logs, "two\n")
        assert logs.read(NAME, None) == ([f"s3://logs-of-teams/sky/logs/{NAME}"], ["one\ntwo\n"])
        _write(BucketLogs("s3://missing/logs", tmp_path), "lost\n")
        assert "cannot be kept" in caplog.text
        assert not system.exists("missing")
    finally:
        fsspec.filesystem("s3").clear_instance_cache()
        server.stop()


def test_airflow_finds_it(tmp_path: Path):
    """For the api-server, which reads, and for the supervisor of a task, which sends."""
    code = """
from airflow.logging_config import get_remote_task_log
from airflow.sdk.log import load_remote_log_handler
for found in (get_remote_task_log(), load_remote_log_handler()):
    print(type(found).__name__, found.address, found.local)
"""
    environment = {
        **os.environ,
        "AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS": "skyrail.logs.configuration.LOGGING",
        "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER": "s3://bucket/sky/logs",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(tmp_path),
    }
    # In a process of its own: Airflow looks once, when it is imported.
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == [f"BucketLogs s3://bucket/sky/logs {tmp_path}"] * 2
