"""Results in an object store: the same promises as on a disk, shown on S3's interface."""

from __future__ import annotations

import io
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import fsspec
import pandas as pd
import pytest
from moto.server import ThreadedMotoServer

from skyrail.errors import ArtifactError
from skyrail.steps.artifacts.blobs import write_blob
from skyrail.steps.artifacts.store import Reference, Store

FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", None]})


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of a server that speaks S3."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The address of an empty bucket, which this process may use."""
    for name, value in {
        "AWS_ENDPOINT_URL": s3,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{uuid.uuid4().hex}"
    filesystem = fsspec.filesystem("s3", skip_instance_cache=True)
    filesystem.mkdir(name)
    filesystem.clear_instance_cache()
    return f"s3://{name}"


@pytest.fixture
def deny(s3: str) -> Iterator[Callable[[], None]]:
    """Let the server refuse whoever has no rights, which is everybody."""

    def ask(count: str) -> None:
        request = urllib.request.Request(f"{s3}/moto-api/reset-auth", count.encode(), {"Content-Type": "text/plain"})
        urllib.request.urlopen(request).close()

    yield lambda: ask("0")
    ask("inf")


def put(store: Store, value: Any) -> Reference:
    return store.put(value, made_by="dag/run/task/-1/1", attempt="id")


def test_a_result_comes_back(bucket: str):
    """By its content, under its final name at once, and only once."""
    store = Store(f"{bucket}/skyrail")
    one, two = put(store, FRAME), put(store, FRAME.copy())
    assert one == two
    pd.testing.assert_frame_equal(store.get(one), FRAME)
    assert fsspec.filesystem("s3").find(bucket) == [one.uri.removeprefix("s3://")]


def test_a_large_result_comes_back(bucket: str):
    """In parts, each of some megabytes."""
    store = Store(bucket)
    content = bytes(range(256)) * 50_000
    reference = store.keep(io.BytesIO(content), form="file", summary="x.bin", made_by="m", attempt="a")
    back = io.BytesIO()
    store.fetch(reference, back)
    assert back.getvalue() == content


def test_an_upload_that_is_cut_off_leaves_nothing(bucket: str):
    """Under a blob's name there is all of it or nothing."""

    def chunks() -> Iterator[bytes]:
        yield b"x" * (12 << 20)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        write_blob(f"{bucket}/ab/abcd", chunks())
    assert fsspec.filesystem("s3", skip_instance_cache=True).find(bucket) == []


def test_a_blob_that_was_deleted_names_its_maker(bucket: str):
    """Whoever reads it learns which attempt to repeat."""
    store = Store(bucket)
    reference = put(store, FRAME)
    fsspec.filesystem("s3").rm(reference.uri)
    with pytest.raises(ArtifactError, match=r"made by dag/run/task/-1/1, is gone"):
        store.get(reference)


def test_a_bucket_that_is_missing(bucket: str):
    """It is not made in passing; what was in it is gone."""
    missing = f"s3://missing-{uuid.uuid4().hex}"
    with pytest.raises(ArtifactError, match=f"cannot be written to the artifact store {missing}.*does not exist"):
        put(Store(missing), FRAME)
    reference = put(Store(bucket), FRAME)
    lost = Reference(
        f"{missing}/{reference.sha256[:2]}/{reference.sha256}.parquet", *list(vars(reference).values())[1:]
    )
    with pytest.raises(ArtifactError, match=r"made by dag/run/task/-1/1, is gone"):
        Store(missing).get(lost)


def test_access_denied_is_said(bucket: str, deny: Callable[[], None]):
    """When the store refuses, the error says so, names what was read, and where to look."""
    store = Store(bucket)
    reference = put(store, FRAME)
    deny()
    with pytest.raises(ArtifactError, match=r"made by dag/run/task/-1/1, cannot be read") as error:
        store.get(reference)
    assert "may read there" in error.value.fix
    with pytest.raises(ArtifactError, match=f"cannot be written to the artifact store {bucket}") as error:
        put(store, pd.DataFrame({"a": [3]}))
    assert "may be written by this worker" in error.value.fix
