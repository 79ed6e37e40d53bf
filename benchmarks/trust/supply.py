"""What is shipped and what it stands on: a software bill of materials (CycloneDX) with hashes and licences.

python benchmarks/trust/supply.py
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Any

import record

from ttm_sk.checkpoints.hub import BUNDLED

CLASSIFIER = "License :: OSI Approved :: "
COPYLEFT = re.compile(r"\b(A?GPL|GNU (Affero )?General)", re.IGNORECASE)


def main() -> int:
    parts = [_component(found) for found in dependencies("ttm-sk")]
    files = {path.name: _sha256(path.read_bytes()) for path in sorted(BUNDLED.iterdir()) if path.is_file()}
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "components": [{key: value for key, value in part.items() if key != "licence"} for part in parts],
    }
    record.RESULTS.mkdir(exist_ok=True)
    (record.RESULTS / "sbom.json").write_text(json.dumps(bill, indent=1) + "\n", encoding="utf-8")
    rows = [{"name": part["name"], "version": part["version"], "licence": part["licence"]} for part in parts]
    record.write("supply", {"components": rows, "weights": files})
    unknown = [row["name"] for row in rows if not row["licence"] or COPYLEFT.search(row["licence"])]
    print(f"{len(rows)} packages; unknown or copyleft: {', '.join(unknown) or 'none'}")
    return 1 if unknown else 0


def dependencies(name: str) -> list[Distribution]:
    """What a plain installation brings, each with what it needs in its turn; extras are left out."""
    found: dict[str, Distribution] = {}
    todo = _needed(distribution(name))
    while todo:
        key = todo.pop()
        if key in found:
            continue
        try:
            found[key] = distribution(key)
        except PackageNotFoundError:  # for another system or Python
            continue
        todo += _needed(found[key])
    return [found[key] for key in sorted(found)]


def _needed(package: Distribution) -> list[str]:
    plain = [text for text in package.requires or () if "extra ==" not in text]
    return [re.sub(r"[-_.]+", "-", re.split(r"[\s;<>=!~\[(]", text, maxsplit=1)[0]).lower() for text in plain]


def _component(package: Distribution) -> dict[str, Any]:
    name, version, licence = package.metadata["Name"], package.version, _licence(package)
    return {
        "type": "library",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name.lower()}@{version.partition('+')[0]}",
        "licenses": [{"license": {"name": licence}}],
        "hashes": [{"alg": "SHA-256", "content": _sha256((package.read_text("RECORD") or "").encode())}],
        "licence": licence,
    }


def _licence(package: Distribution) -> str:
    """The SPDX expression, else the classifiers, else the first line of the licence field."""
    about = package.metadata
    if about.get("License-Expression"):
        return about["License-Expression"]
    said = [text.removeprefix(CLASSIFIER) for text in about.get_all("Classifier") or () if text.startswith(CLASSIFIER)]
    return ", ".join(said) or (about.get("License") or "").strip().split("\n")[0][:60]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
