"""How long an ingest that failed or was stopped rests: a client that polls must see that it did, and why.

Knows jobs and the clock. Knows nothing of who asks."""

from __future__ import annotations

import time

from agent_tools.store import Job

RETRY_S = 30.0


def retry_after_s(job: Job | None) -> float:
    """Seconds until the job may go on without a person asking for it; 0 where it may at once."""
    if job is None or job.state not in ("failed", "stopped"):
        return 0.0
    return max(0.0, job.updated_at + RETRY_S - time.time())
