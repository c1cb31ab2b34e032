"""What an installation costs: size, packages and CPU time of `pip install` of a checkout in an empty environment.

    python -m lab.bench.install_size NAME=CHECKOUT [NAME=CHECKOUT]... [--write]

A CHECKOUT is a folder with pyproject.toml and constraints.txt, such as one that `git archive` wrote of an old version.
Only what the product needs is installed, without extras, after the packages that build it. pip takes the packages from
where it always does, and the time holds their download."""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TypedDict

MEASURED = Path(__file__).parents[1] / "measured" / "install.json"
BUILDERS = ("hatchling", "editables", "setuptools")  # of the product and of the one dependency that is no wheel


class Installed(TypedDict):
    """One installation."""

    packages: int
    size_mb: int  # of site-packages, as it lies on the disk
    cpu_s: float


def installed(checkout: Path) -> Installed:
    """Install a checkout in an environment that is removed afterwards. Raises: CalledProcessError."""
    with tempfile.TemporaryDirectory() as made:
        subprocess.run([sys.executable, "-m", "venv", made], check=True)
        python = Path(made) / "bin" / "python"
        pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "-q", "-c", "constraints.txt"]
        subprocess.run([*pip, *BUILDERS], check=True, cwd=checkout)
        before_s = _children_s()
        subprocess.run([*pip, "--no-build-isolation", "."], check=True, cwd=checkout)
        cpu_s = _children_s() - before_s
        (packages,) = (Path(made) / "lib").glob("python3*/site-packages")
        held = sum(file.lstat().st_blocks * 512 for file in packages.rglob("*"))
        return Installed(
            packages=len(list(packages.glob("*.dist-info"))), size_mb=round(held / 2**20), cpu_s=round(cpu_s, 1)
        )


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def table(measured: dict[str, Installed]) -> str:
    lines = ["| version | packages | on disk | CPU time of pip |", "|---|---|---|---|"]
    for name, one in measured.items():
        lines.append(f"| {name} | {one['packages']} | {one['size_mb']:,} MB | {one['cpu_s']:.0f} s |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("checkouts", nargs="+", metavar="NAME=CHECKOUT")
    parser.add_argument("--write", action="store_true", help="keep the figures in lab/measured/install.json")
    asked = parser.parse_args()
    named = dict(one.split("=", 1) for one in asked.checkouts)
    measured = {name: installed(Path(folder).resolve()) for name, folder in named.items()}
    sys.stdout.write(table(measured) + "\n")
    if asked.write:
        MEASURED.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
