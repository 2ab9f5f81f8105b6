"""Print uv as a requirement of pip, in the version and with the hashes of a lock: `python3 uv.py uv.lock`."""

import sys
import tomllib
from pathlib import Path

packages = tomllib.loads(Path(sys.argv[1]).read_text())["package"]
[uv] = [package for package in packages if package["name"] == "uv"]
print(f"uv=={uv['version']}", *(f"--hash={wheel['hash']}" for wheel in uv["wheels"]))
