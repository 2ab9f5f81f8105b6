"""Where the chart is: helm/skyrail of a clone, or the copy that came with the wheel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from skyrail.errors import SkyrailError

PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Chart:
    """A chart's folder and what its two main files say."""

    folder: Path
    about: dict[str, Any]
    defaults: dict[str, Any]

    @property
    def minimum(self) -> tuple[int, int]:
        """Return the first version of Kubernetes that it runs on, from `>=1.29.0-0`."""
        major, minor, *_ = str(self.about["kubeVersion"]).removeprefix(">=").split(".")
        return int(major), int(minor)

    @property
    def label(self) -> str:
        """Return name and version as Helm lists them: `skyrail-0.1.0`."""
        return f"{self.about['name']}-{self.about['version']}"

    def classes(self) -> list[dict[str, Any]]:
        """Return the resource classes of its default values."""
        loaded = yaml.safe_load((self.folder / "files" / "config" / "classes.yaml").read_text())
        return list(loaded["classes"])


def places() -> list[Path]:
    """Return where the chart may be, the likeliest first."""
    return [PACKAGE.parents[1] / "helm" / "skyrail", PACKAGE / "_chart"]


def find(folders: Iterable[Path] | None = None) -> Chart:
    """Return the chart of this version.

    Raises:
        SkyrailError: it is in none of the folders.
    """
    tried = list(places() if folders is None else folders)
    for folder in tried:
        if (folder / "Chart.yaml").is_file():
            return Chart(
                folder,
                yaml.safe_load((folder / "Chart.yaml").read_text()),
                yaml.safe_load((folder / "values.yaml").read_text()),
            )
    raise SkyrailError(
        f"The chart is not there; it was looked for in {' and '.join(map(str, tried))}.",
        fix="Install Skyrail anew, or name a chart's folder with --chart.",
    )
