"""What somebody wants to install, and what was found: values, objects, checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from skyrail.install.adoption.sources import Sources
from skyrail.install.chart import Chart
from skyrail.install.checks import Check, passed, refused
from skyrail.install.manifests import Object
from skyrail.install.values import Answers, Values, differing, from_answers, is_ours, merged, read, text_of


@dataclass(frozen=True)
class Request:
    """What somebody wants to install."""

    release: str
    chart: Chart
    files: tuple[Path, ...] = ()
    answers: Answers = field(default_factory=Answers)
    sources: Sources = field(default_factory=Sources)
    """What there is already, to be looked at."""
    write: Path | None = None
    """Where the values go that were not in a file; `<release>-values.yaml` if not said."""


@dataclass
class Plan:
    """What was found, and what would be installed."""

    request: Request
    checks: list[Check] = field(default_factory=list)
    values: Values = field(default_factory=dict)
    """All of them, the chart's defaults too."""
    files: list[Path] = field(default_factory=list)
    """Values files for Helm, in their order."""
    to_write: tuple[Path, str] | None = None
    objects: list[Object] = field(default_factory=list)
    before: list[Object] = field(default_factory=list)
    """What the release has now."""
    live: list[Object] = field(default_factory=list)
    exists: bool = False
    """Whether there is such a release."""

    new_namespace: bool = False

    @property
    def passed(self) -> bool:
        """Whether it may be installed."""
        return passed(self.checks)


def short(plan: Plan) -> Values:
    """Return the values that differ from the chart's defaults."""
    return differing(plan.values, plan.request.chart.defaults)


def choose(plan: Plan, own: Values) -> None:
    """Put the values together: those of files, else the release's own, and over them what was chosen."""
    request, defaults = plan.request, plan.request.chart.defaults
    chosen = from_answers(request.answers, request.chart)
    given = read(request.files) if request.files else own
    plan.values = merged(defaults, given, chosen)
    plan.files = list(request.files)
    target = request.write or Path(f"{request.release}-values.yaml")
    if request.files and not chosen:
        return
    # Files of people are never written; what was chosen beside them wins over them, from a file of its own.
    content = differing(merged(given, chosen), defaults) if not request.files or target in request.files else chosen
    if not content:
        return
    text = text_of(content)
    if target.exists() and target.read_text() != text and not (target in request.files and is_ours(target)):
        plan.checks.append(
            refused(
                "Values file",
                f"{target} is there, and says something else.",
                f"To start from it: --values {target}. To leave it: --write ANOTHER.yaml",
            )
        )
        return
    plan.to_write = target, text
    if target not in plan.files:
        plan.files.append(target)
