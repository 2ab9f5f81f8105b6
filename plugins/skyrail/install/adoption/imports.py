"""What DAG files import that the image lacks."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

from packaging.requirements import Requirement

from skyrail.errors import SkyrailError
from skyrail.install.checks import Check, ok, unknown, warn

EXTRAS = ("celery", "kubernetes", "git", "s3", "examples")
"""Optional dependencies that `make image` puts into the image."""

PROVIDERS = "airflow.providers."
SKIPPED = {".git", "__pycache__", ".venv", "node_modules", "tests", "test"}
NAMES = {
    "sklearn": "scikit-learn", "yaml": "pyyaml", "PIL": "pillow", "cv2": "opencv-python-headless",
    "bs4": "beautifulsoup4", "dotenv": "python-dotenv", "dateutil": "python-dateutil",
}  # fmt: skip
"""Packages on the index whose name is not that of the module."""


@contextmanager
def folder(address: str) -> Iterator[Path]:
    """Yield a folder of DAGs: one of this machine, or a fresh copy of a git repository.

    Raises:
        SkyrailError: it is not there.
    """
    if Path(address).is_dir():
        yield Path(address)
        return
    if not re.match(r"(https?|ssh|git|file)://|[\w.-]+@[\w.-]+:", address):
        raise SkyrailError(f"There is no folder {address}.", fix="Name a folder, or the address of a git repository.")
    quiet = os.environ | {"GIT_TERMINAL_PROMPT": "0"}
    with tempfile.TemporaryDirectory(prefix="skyrail-dags-") as place:
        done = subprocess.run(
            ["git", "clone", "--quiet", "--depth", "1", "--", address, place],
            env=quiet, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SkyrailError(
                f"{address} cannot be read: {done.stderr.strip()}", fix="Name a folder with a copy of it instead."
            )
        yield Path(place)


def modules(root: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the modules that a folder's files import, with the first place of each, and the files that are no Python.

    Imports within functions count: tasks do them. What is in a `try` does not: the file goes on without.
    """
    found: dict[str, str] = {}
    broken: dict[str, str] = {}
    for file in _files(root):
        name = str(file.relative_to(root))
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError) as error:
            broken[name] = str(error)
            continue
        for module, line in _imports(tree):
            found.setdefault(module, f"{name}:{line}")
    return found, broken


def _files(root: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(root):
        folders[:] = sorted(one for one in folders if one not in SKIPPED)
        yield from (Path(place) / one for one in sorted(files) if one.endswith(".py"))


def _imports(node: ast.AST) -> Iterator[tuple[str, int]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Try) and any(_catches_missing(each) for each in child.handlers):
            continue
        if isinstance(child, ast.Import):
            yield from ((each.name, child.lineno) for each in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module and not child.level:
            yield child.module, child.lineno
        yield from _imports(child)


def _catches_missing(handler: ast.ExceptHandler) -> bool:
    text = ast.unparse(handler.type) if handler.type else "Exception"
    return any(name in text for name in ("ImportError", "ModuleNotFoundError", "Exception"))


def local(root: Path) -> set[str]:
    """Return the modules that are in the folder itself, which Airflow puts on the path."""
    return {path.stem for path in root.glob("*.py")} | {
        path.name for path in root.iterdir() if path.is_dir() and path.name not in SKIPPED
    }


def package_of(module: str, owners: Mapping[str, list[str]]) -> str:
    """Return the package that a module comes with, as the index calls it; a guess where it is not installed here."""
    if module.startswith(PROVIDERS):
        parts = module.removeprefix(PROVIDERS).split(".")
        size = 2 if parts[0] in ("apache", "microsoft", "common", "cncf", "dbt", "atlassian") else 1
        return f"apache-airflow-providers-{'-'.join(parts[:size])}"
    top = module.partition(".")[0]
    if top in ("airflow", "skyrail"):
        return "skyrail"
    return _normal(owners[top][0]) if top in owners else NAMES.get(top, _normal(top))


def in_image(start: str = "skyrail", extras: tuple[str, ...] = EXTRAS) -> set[str]:
    """Return the packages of the image: what ours depends on, with the extras of the image, as far as it is here."""
    found: set[str] = set()
    waiting = [(start, extras)]
    while waiting:
        name, asked = waiting.pop()
        key = _normal(name)
        if key in found and not asked:
            continue
        found.add(key)
        try:
            requirements = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        for requirement in requirements:
            one = Requirement(requirement)
            if one.marker and not any(one.marker.evaluate({"extra": each}) for each in asked or ("",)):
                continue
            if _normal(one.name) not in found or one.extras:
                waiting.append((one.name, tuple(one.extras)))
    return found


def imports(address: str) -> list[Check]:
    """Compare what DAG files import with what the image has."""
    with folder(address) as root:
        found, broken = modules(root)
        own = local(root)
    return judge(address, found, broken, own, in_image(), packages_distributions())


def judge(
    address: str,
    found: Mapping[str, str],
    broken: Mapping[str, str],
    own: set[str],
    image: set[str],
    owners: Mapping[str, list[str]],
) -> list[Check]:
    """Return the rows about a folder of DAGs."""
    lacking: dict[str, str] = {}
    for module, place in found.items():
        top = module.partition(".")[0]
        if top in own or top in sys.stdlib_module_names or top == "__future__":
            continue
        package = package_of(module, owners)
        if package not in image:
            lacking.setdefault(package, place)
    rows = [
        warn("DAG files", f"{name} is no Python that is understood here: {why}", "Correct it.")
        for name, why in broken.items()
    ]
    if lacking:
        listed = ", ".join(f"{package} ({place})" for package, place in sorted(lacking.items()))
        step = '`@task.step(packages=["…"])` (docs/environments.md)'
        rows.append(
            warn(
                "DAG imports",
                f"The image lacks {len(lacking)} packages that {address} imports: {listed}.",
                f"Give the steps that need them an environment of their own, {step}, or build an image with them"
                " (docs/image.md).",
            )
        )
    elif found:
        rows.append(ok("DAG imports", f"The image has all {len(found)} modules that {address} imports."))
    else:
        rows.append(unknown("DAG imports", f"There are no Python files with imports in {address}."))
    return rows


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
