"""Results and artifacts in a bucket: what S3 stores for real, here by an S3 server on this machine."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from tests.e2e.cluster import Release, finish, run, trigger, wait_until
from tests.servers import free_port

KEYS = {"AWS_ACCESS_KEY_ID": "skyrail", "AWS_SECRET_ACCESS_KEY": "skyrail-secret"}


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    """A client of an S3 server that pods reach, with the bucket `team`."""
    node = run("kubectl", "get", "nodes", "-o", "jsonpath={.items[0].status.addresses[0].address}")
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "--host", "0.0.0.0", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            wait_until("the S3 server listens", lambda: _listens(port), 60)
            client = boto3.client(
                "s3",
                endpoint_url=f"http://{node}:{port}",
                region_name="us-east-1",
                aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            )
            client.create_bucket(Bucket="team")
            yield client
        finally:
            server.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_results_are_in_the_bucket(release: Release, values: Path, bucket: Any, tmp_path: Path):
    """An upgrade names the bucket; the next run's results are there, from the worker and from pods."""
    said: dict[str, Any] = yaml.safe_load(values.read_text())
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "bucket-keys"}, "stringData": KEYS}
    release.space.apply(secret)
    said["storage"] = {
        "bucket": "s3://team/skyrail",
        "endpoint": bucket.meta.endpoint_url,
        "keySecret": "bucket-keys",
    }
    said["environment"] = {"AWS_DEFAULT_REGION": "us-east-1"}
    file = tmp_path / "bucket.yaml"
    file.write_text(yaml.safe_dump(said))
    try:
        release.helm("upgrade", file)
        with release.api() as api:
            done = finish(api, "flights_short", trigger(api, "flights_short"), 400)
        assert {each["state"] for each in done.values()} == {"success"}
        found = bucket.list_objects_v2(Bucket="team", Prefix="skyrail/")
        assert found["KeyCount"] >= 3, found
    finally:
        release.helm("upgrade", values)
        release.space.kubectl("delete", "secret", "bucket-keys", "--ignore-not-found")
