"""What changed is told once, and a client that does not listen delays nobody."""

from __future__ import annotations

from typing import cast

import anyio
import pytest
from mcp.server.session import ServerSession

from agent_tools.server.notices import LIBRARY, Notices
from agent_tools.service.library.library import Library
from tests.server.conftest import OTHER, VIDEO

pytestmark = pytest.mark.anyio

pytestmark = pytest.mark.anyio


def test_changes_are_told_once_and_only_what_changed(library: Library) -> None:
    notices = Notices()
    store = library.store
    assert notices.changes(store) == []  # how it was found is no change
    assert notices.changes(store) == []
    store.enqueue(VIDEO, ("screen_text",), "lite")
    about = [f"video://{VIDEO}", f"video://{VIDEO}/episodes"]
    assert notices.changes(store) == [LIBRARY, *about]
    job = store.claim("worker", 1)
    assert job is not None
    store.beat(job.id, "worker", progress=0.5)
    assert notices.changes(store) == [LIBRARY, *about]
    store.beat(job.id, "worker", progress=0.501)
    assert notices.changes(store) == []
    store.finish(job.id, "worker", "done")
    assert notices.changes(store) == [LIBRARY, *about]
    store.delete_video(OTHER)
    assert notices.changes(store) == [LIBRARY, f"video://{OTHER}", f"video://{OTHER}/episodes", ""]


class Listener:
    """A session of the handshake eras that takes notices, or is stuck."""

    def __init__(self, stuck: bool) -> None:
        self.stuck, self.heard = stuck, 0

    async def send_resource_updated(self, _uri: str) -> None:
        if self.stuck:
            await anyio.sleep_forever()
        self.heard += 1


async def test_a_stuck_subscriber_delays_nobody_and_gets_no_more_notices() -> None:
    notices = Notices(send_s=0.5)
    listeners = [Listener(stuck=number < 40) for number in range(41)]
    for number, listener in enumerate(listeners):
        notices.subscribe(LIBRARY, str(number), cast(ServerSession, listener))
    with anyio.fail_after(10):  # 40 in a row would take 20 s
        await notices.publish([LIBRARY])
    assert listeners[-1].heard == 1
    for listener in listeners:
        listener.stuck = False
    await notices.publish([LIBRARY])
    assert [listener.heard for listener in listeners] == [0] * 40 + [2]
