"""What a child finds of Skyrail: a folder for its `sys.path` with this package, and MLflow's way to the spool.

Nothing of it is loaded unless it is used. It holds no other package: the child's own come from its environment.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import skyrail

PROGRAM = Path("skyrail", "steps", "child", "program.py")
"""The child's program, in a library."""

_METADATA = f"Metadata-Version: 2.1\nName: skyrail\nVersion: {skyrail.__version__}\n"
# Of all that the package registers, this alone: a child with Airflow in it is not to load our plugins.
_ENTRY_POINTS = "[mlflow.tracking_store]\nskyrail-spool = skyrail.tracking.mlflow_store:SpoolStore\n"


def make(folder: Path, *, copy: bool = False) -> Path:
    """Make a library and return it.

    Args:
        folder: where; it must not exist.
        copy: copy the package, for a folder that another machine or a container reads.
    """
    package = Path(skyrail.__file__).parent
    folder.mkdir(parents=True)
    if copy:
        shutil.copytree(package, folder / "skyrail", ignore=shutil.ignore_patterns("__pycache__"))
    else:
        (folder / "skyrail").symlink_to(package)
    info = folder / f"skyrail-{skyrail.__version__}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(_METADATA)
    (info / "entry_points.txt").write_text(_ENTRY_POINTS)
    return folder
