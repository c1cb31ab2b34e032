"""`python -m lab.docs [TABLE ...]` writes these tables, or all of them with the drawings and the site's front page."""

from __future__ import annotations

import argparse

from lab.docs import TABLES, write, write_all


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lab.docs", description="Write the tables of the documentation.")
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"one of {', '.join(TABLES)}; default: all")
    named = parser.parse_args().tables
    if unknown := [name for name in named if name not in TABLES]:
        parser.error(f"no table {unknown[0]!r}")
    if named:
        write(*named)
    else:
        write_all()


if __name__ == "__main__":
    main()
