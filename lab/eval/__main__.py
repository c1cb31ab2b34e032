"""Evaluations on the shared clips. `python -m lab.eval questions --help` says what one needs."""

from __future__ import annotations

import sys

from lab.eval import near, questions, unseen

PROGRAMS = {"near": near.main, "questions": questions.main, "unseen": unseen.main}


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in PROGRAMS:
        sys.exit(f"usage: python -m lab.eval PROGRAM ...; the programs: {', '.join(PROGRAMS)}")
    PROGRAMS[name](sys.argv[2:])


if __name__ == "__main__":
    main()
