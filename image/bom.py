"""Write what an image consists of, as CycloneDX 1.6: `python bom.py DPKG_STATUS OUTPUT [ENVIRONMENT]`.

Python's packages come from cyclonedx-bom, Debian's from its own list of what is installed.
"""

import json
import subprocess
import sys
from email import message_from_string
from pathlib import Path

from packageurl import PackageURL

status, output, *environments = sys.argv[1:]
bom = {"$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "bomFormat": "CycloneDX", "specVersion": "1.6"}
for environment in environments:
    tool = Path(sys.executable).with_name("cyclonedx-py")
    command = [tool, "environment", "--output-reproducible", "--spec-version", "1.6", f"{environment}/bin/python"]
    bom = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
# dpkg writes its list like the head of an e-mail, one paragraph a package.
for package in map(message_from_string, Path(status).read_text().strip().split("\n\n")):
    if package["Status"] == "install ok installed":
        name, version = package["Package"], package["Version"]
        place = PackageURL("deb", "debian", name, version, {"arch": package["Architecture"], "distro": "debian-13"})
        component = {"type": "library", "name": name, "version": version, "purl": str(place), "bom-ref": str(place)}
        bom.setdefault("components", []).append(component)
Path(output).parent.mkdir(parents=True, exist_ok=True)
Path(output).write_text(json.dumps(bom))
print(f"{output}: {len(bom['components'])} packages")
