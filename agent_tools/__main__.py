"""`python -m agent_tools` is the same program as `agent-tools`."""

from __future__ import annotations

import sys

from agent_tools import background

if __name__ == "__main__":
    background.collect_garbage_seldom()
    background.take_one_blas_thread()
    if sys.argv[1:] == ["look"]:  # a private process of the server, without the libraries of the command line
        from agent_tools.ingestion.looker import main as look

        look()
    elif sys.argv[1:] == ["work"]:
        from agent_tools.ingestion.worker import main as work

        sys.exit(work())
    else:
        from agent_tools.cli import main

        main()
