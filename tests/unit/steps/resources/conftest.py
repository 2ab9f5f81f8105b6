from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

CLASSES = """\
classes:
  - {name: small, cpu: 1, memory: 2Gi, images: ["*"]}
  - {name: large, cpu: 4, memory: 16Gi, queue: large, identities: [trainer], images: ["*"]}
  - {name: huge, cpu: 64, memory: 256Gi, identities: [trainer], images: ["*"]}
  - {name: gpu, cpu: 8, memory: 32Gi, gpu: 2, gpu_type: t4, executor: KubernetesExecutor, queue: gpus}
"""

Configure = Callable[..., None]


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Set options of [skyrail_resources]: classes of the test's own, and a machine of 8 CPUs, 32 GiB and no GPU."""
    file = tmp_path / "classes.yaml"
    file.write_text(CLASSES)

    def configure(**options: object) -> None:
        machine = {"classes": file, "pool_cpu": 8, "pool_memory": "32Gi", "pool_gpu": 0}
        for name, value in {**machine, **options}.items():
            monkeypatch.setenv(f"AIRFLOW__SKYRAIL_RESOURCES__{name.upper()}", str(value))

    configure()
    return configure
