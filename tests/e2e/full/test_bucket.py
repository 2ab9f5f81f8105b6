"""Results and artifacts in a bucket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from tests.e2e.cluster import Release, finish, trigger
from tests.e2e.full.conftest import SECRET, storage


def test_results_are_in_the_bucket(release: Release, values: Path, bucket: Any, tmp_path: Path):
    """An upgrade names the bucket; the next run's results are there, from the worker and from pods."""
    said: dict[str, Any] = yaml.safe_load(values.read_text())
    release.space.apply(SECRET)
    said["storage"] = storage(bucket)
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
