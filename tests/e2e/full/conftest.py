"""A bucket for the long end-to-end checks: an S3 server on this machine, which pods reach."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from tests.e2e.cluster import run, wait_until
from tests.servers import free_port

KEYS = {"AWS_ACCESS_KEY_ID": "skyrail", "AWS_SECRET_ACCESS_KEY": "skyrail-secret"}
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "bucket-keys"}, "stringData": KEYS}


@pytest.fixture(scope="session")
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


def storage(bucket: Any) -> dict[str, Any]:
    """Return the value `storage` for the bucket."""
    return {"bucket": "s3://team/skyrail", "endpoint": bucket.meta.endpoint_url, "keySecret": "bucket-keys"}
