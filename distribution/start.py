"""Entry point of the MCPB bundle: a host hands the chosen folders over as plain arguments; each becomes an --allow."""

from __future__ import annotations

import sys

from agent_tools.cli import main

if __name__ == "__main__":
    sys.argv[1:] = ["serve", *(part for folder in sys.argv[1:] for part in ("--allow", folder))]
    main()
