"""What the images weigh: compressed as a registry stores them, by layer, and the ten largest packages of each."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import tomllib
from collections import Counter
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[1]
LIMITS = {"skyrail": 350}
"""MB of 10^6 bytes that an image may have, compressed."""

PACKAGES = """
import importlib.metadata, pathlib
for one in importlib.metadata.distributions():
    files = {pathlib.Path(one.locate_file(file)) for file in one.files or []}
    compiled = {pathlib.Path(importlib.util.cache_from_source(file)) for file in files if file.suffix == '.py'}
    size = sum(file.stat().st_size for file in files | compiled if file.is_file())
    print('python', one.name, size)
"""
DEBIAN = "dpkg-query --show --showformat='debian ${Package} ${Installed-Size}000\\n'"


def version() -> str:
    """Return the images' tag: SKYRAIL_VERSION, or the version of the package."""
    return os.environ.get("SKYRAIL_VERSION") or str(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    )


class _Count(io.RawIOBase):
    """Count what is written."""

    size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.size += len(data)
        return len(data)


def compressed(content: IO[bytes]) -> int:
    """Return how large a layer is in a registry: gzip at its usual level."""
    count = _Count()
    with gzip.GzipFile(fileobj=count, mode="wb", compresslevel=6) as packed:
        while block := content.read(1 << 20):
            packed.write(block)
    return count.size


def layers(name: str) -> list[tuple[str, int, int]]:
    """Return for each layer how it was made, its size, and its size compressed."""
    said = subprocess.run(
        ["docker", "image", "history", "--no-trunc", "--format", "{{json .}}", name],
        capture_output=True,
        text=True,
        check=True,
    )
    made = [json.loads(line) for line in reversed(said.stdout.splitlines())]
    steps = [
        step["CreatedBy"].removeprefix("/bin/sh -c ").removeprefix("#(nop) ") for step in made if step["Size"] != "0B"
    ]
    sizes: dict[str, tuple[int, int]] = {}
    order: list[str] = []
    with subprocess.Popen(["docker", "save", name], stdout=subprocess.PIPE) as saved:
        assert saved.stdout
        with tarfile.open(fileobj=saved.stdout, mode="r|") as archive:
            for member in archive:
                content = archive.extractfile(member)
                if member.name == "manifest.json" and content:
                    order = json.load(content)[0]["Layers"]
                elif content:  # layers, and some small documents
                    sizes[member.name] = (member.size, compressed(content))
    # Empty layers have a step, too, in some engines and not in others: only equal counts can be matched.
    names = [step[:70] for step in steps] if len(steps) == len(order) else ["" for _ in order]
    return [(step, *sizes[layer]) for step, layer in zip(names, order, strict=True)]


def packages(name: str) -> Counter[str]:
    """Return the size of each package in an image, with its bytecode, in bytes."""
    run = ["docker", "run", "--rm", "--network", "none", "--entrypoint"]
    commands = [[*run, "sh", name, "-c", DEBIAN]]
    if not name.startswith("skyrail/store"):
        commands.append([*run, "python", name, "-c", "import importlib.util\n" + PACKAGES])
    sizes: Counter[str] = Counter()
    for command in commands:
        for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
            kind, package, size = line.split()
            sizes[f"{package} ({kind})"] = int(size)
    return sizes


def main() -> None:
    """Print the sizes of the images that `make image` has built."""
    for target in ("skyrail", "mlflow", "store"):
        name = f"skyrail/{target}:{version()}"
        found = layers(name)
        total = sum(size for _, _, size in found) / 1e6
        must = f"  must be at most {LIMITS[target]}" if target in LIMITS else ""
        print(
            f"  {name:<46} {total:7.1f} MB compressed, {sum(size for _, size, _ in found) / 1e6:7.1f} MB on disk{must}"
        )
        for step, size, packed in found:
            print(f"    {packed / 1e6:7.1f} MB compressed {size / 1e6:7.1f} MB  {step}")
        for package, size in packages(name).most_common(10):
            print(f"    {size / 1e6:7.1f} MB  {package}")


if __name__ == "__main__":
    sys.exit(main())
