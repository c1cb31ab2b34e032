"""`examples` is importable from wherever the tests are run: the checkout itself is never on their path, so that what is
tested is the installed package (see the Makefile)."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path

if "examples" not in sys.modules:
    _spec = ModuleSpec("examples", None, is_package=True)
    _spec.submodule_search_locations = [str(Path(__file__).parents[2] / "examples")]
    sys.modules["examples"] = module_from_spec(_spec)
