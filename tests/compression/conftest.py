"""Property tests here have no deadline per example: a busy machine is not a failure."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("agent_tools", deadline=None, derandomize=True)
settings.load_profile("agent_tools")
