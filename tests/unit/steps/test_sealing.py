"""Results are encrypted where they lie, and nobody who has the key notices."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.fernet import Fernet

from skyrail.errors import ArtifactError
from skyrail.steps.artifacts.store import Reference, Store

ONE, TWO = Fernet.generate_key().decode(), Fernet.generate_key().decode()
VALUE = np.arange(400_000)  # 3 MB: some chunks


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set the password of the connection."""

    def put(password: str) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_STORE_KEY", json.dumps({"conn_type": "generic", "password": password}))

    put(ONE)
    return put


@pytest.fixture
def store(tmp_path: Path, keys: Any) -> Store:
    return Store(str(tmp_path / "store"), "store_key")


def put(store: Store, value: Any = VALUE) -> Reference:
    return store.put(value, made_by="dag/run/task/-1/1", attempt="id")


def test_a_result_is_encrypted_and_comes_back(store: Store):
    """What lies there tells nothing; its identity is still that of its plain content."""
    reference = put(store)
    assert Path(reference.uri).name == f"{reference.sha256}.npy.sealed"
    blob = Path(reference.uri).read_bytes()
    assert VALUE[:1000].tobytes() not in blob
    assert reference.sha256 == put(Store(store.url)).sha256
    np.testing.assert_array_equal(store.get(reference), VALUE)
    assert put(store) == reference


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        pytest.param(f"{TWO}, {ONE}", None, id="00 a new key first: old results are read by the old one"),
        pytest.param(TWO, "a key that the connection 'store_key' does not have", id="10 another key"),
        pytest.param("", "is no key of the artifact store", id="11 no key"),
        pytest.param("secret", "is no key of the artifact store", id="12 something else"),
    ],
)
def test_who_can_read_it(store: Store, keys: Any, password: str, sentence: str | None):
    """Who has the key can; everybody else learns whose result it is and what is missing."""
    reference = put(store)
    keys(password)
    if sentence is None:
        np.testing.assert_array_equal(store.get(reference), VALUE)
        return
    with pytest.raises(ArtifactError, match=sentence) as error:
        store.get(reference)
    assert error.value.message.startswith(f"The stored result {reference.uri}, made by dag/run/task/-1/1,")
    assert error.value.fix


def test_a_worker_without_the_setting_learns_of_it(store: Store):
    """An encrypted result needs the key configured."""
    with pytest.raises(ArtifactError, match="It is encrypted, and no key is configured") as error:
        Store(store.url).get(put(store))
    assert "store_key_conn_id" in error.value.fix


def test_a_connection_that_is_missing_is_named(store: Store):
    """Nothing is written plainly because a connection is gone."""
    with pytest.raises(ArtifactError, match="The connection 'nobody'"):
        put(Store(store.url, "nobody"))
    assert not [path for path in Path(store.url).rglob("*") if path.is_file()]


def test_what_was_plain_stays_readable(store: Store):
    """A result from before there was a key is read as ever; what is written now is encrypted, equal or not."""
    before = put(Store(store.url))
    np.testing.assert_array_equal(store.get(before), VALUE)
    assert put(store).uri != before.uri


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda blob: blob[: len(blob) // 2], id="00 cut in a chunk"),
        pytest.param(lambda blob: blob[: 4 + int.from_bytes(blob[:4])], id="01 cut between chunks"),
        pytest.param(lambda blob: blob[4 + int.from_bytes(blob[:4]) :], id="02 without its beginning"),
        pytest.param(lambda blob: blob[:100] + bytes([blob[100] ^ 1]) + blob[101:], id="10 a bit flipped"),
        pytest.param(lambda blob: b"\xff\xff\xff\xff" + blob, id="11 a length of 4 GB"),
        pytest.param(lambda _: b"", id="12 empty"),
    ],
)
def test_a_blob_that_was_changed_is_refused(store: Store, change: Any):
    """A result is what was written, or an error."""
    reference = put(store)
    blob = Path(reference.uri)
    blob.write_bytes(change(blob.read_bytes()))
    with pytest.raises(ArtifactError, match="made by dag/run/task/-1/1"):
        store.get(reference)
