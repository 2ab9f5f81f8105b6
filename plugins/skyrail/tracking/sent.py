"""How far an attempt has been sent: the flusher's memory, kept in the attempt's folder."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from skyrail.tracking import spool

DOUBT_SECONDS = 30.0
"""An attempt that is older than this and has no memory of being sent may have lost it: the server is asked first."""


@dataclass
class Sent:
    """How far an attempt has been sent; kept in its folder as `sent.json`."""

    events: int = 0
    lines: int = 0
    runs: dict[str, str] = field(default_factory=dict)
    """The server's id of each local run."""
    models: dict[str, str] = field(default_factory=dict)
    creating: str = ""
    """Local id of a run or model that may or may not exist on the server already."""
    open_runs: list[str] = field(default_factory=list)
    uploaded: dict[str, str] = field(default_factory=dict)
    """What each run's folder of artifacts looked like when it was sent."""
    names: dict[str, list[str]] = field(default_factory=dict)
    """Names of the metrics of each local run: a run may have so many and no more."""
    refused: list[str] = field(default_factory=list)
    """Local ids of runs and models that the server would not have; what belongs to them is passed over."""
    said: list[str] = field(default_factory=list)
    """Notices that are given once a run."""
    doubtful: bool = False
    """Whether an earlier memory was lost, so that anything may exist on the server already."""
    end: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> Sent:
        """Return what was remembered about an attempt; a doubtful memory when that is lost or broken."""
        try:
            return cls(**json.loads((folder / spool.SENT).read_bytes()))
        except FileNotFoundError:
            age = time.time() - int(folder.name.partition("-")[0]) / 1000
            return cls(doubtful=age > DOUBT_SECONDS)
        except (ValueError, TypeError):
            return cls(doubtful=True)

    def save(self, folder: Path) -> None:
        """Remember it.

        Raises:
            OSError: the disk is full.
        """
        temporary = folder / f"{spool.SENT}.new"
        temporary.write_text(json.dumps(asdict(self)))
        temporary.replace(folder / spool.SENT)
