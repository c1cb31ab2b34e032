"""The processes of examples/compose.yaml without containers: PostgreSQL, two HTTP servers, workers, a balancer.

    python -m lab.archive FOLDER [--workers N] [--prove]

FOLDER holds videos. It prints the balancer's address and runs until Ctrl-C. With --prove it ingests the folder through
the balancer, asks both servers for the same search, ends one server and asks again, and prints one line of JSON."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.faults.archive import archive, call, until, working
from lab.faults.servers import Web, listening
from lab.lifetime import temporary
from lab.postgres_server import server


class Balancer:
    """Sends each connection to the next server in turn, and to another one where that does not answer."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._turns, self._count = itertools.cycle(ports), len(ports)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}/mcp"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        for _ in range(self._count):
            with contextlib.suppress(ConnectionRefusedError):
                target = socket.create_connection(("127.0.0.1", next(self._turns)))
                break
        else:
            client.close()
            return
        back = threading.Thread(target=_carry, args=(target, client), daemon=True)
        back.start()
        _carry(client, target)
        back.join()
        client.close()
        target.close()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):  # either end has gone
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def prove(address: str, servers: Sequence[Web]) -> dict[str, Any]:
    """What the archive did with the folder; see the top of this file."""
    begun = time.monotonic()

    def ended() -> dict[str, Any] | None:
        reply = call(address, "ingest_video", source="", wait_s=2)
        return None if reply["queued"] or reply["running"] else reply

    reply = until(ended, "the folder is ingested")
    took_s = time.monotonic() - begun
    query = "who speaks about what"
    answers = [call(web.address, "retrieve_memory", query=query) for web in servers]
    servers[0].process.kill()
    servers[0].process.wait()
    after = [call(address, "retrieve_memory", query=query)["hits"] for _ in range(4)]
    return {
        "found": reply["found"],
        "done": reply["done"],
        "failed": reply.get("failed", 0),
        "seconds": round(took_s),
        "same_answer_of_both": answers[0]["hits"] == answers[1]["hits"],
        "same_answer_without_one": all(hits == answers[1]["hits"] for hits in after),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--prove", action="store_true", help="ingest the folder, compare answers, end")
    asked = parser.parse_args()
    folder = asked.folder.resolve()
    with contextlib.ExitStack() as stack:
        root = stack.enter_context(temporary("archive-"))
        database = stack.enter_context(archive(stack.enter_context(server()), "archive"))
        flags = ("--store", database.url("server"))
        servers = [stack.enter_context(listening(root / name, folder, flags=flags)) for name in ("a", "b")]
        stack.enter_context(working(root, database, asked.workers))
        balancer = stack.enter_context(contextlib.closing(Balancer([web.port for web in servers])))
        if asked.prove:
            sys.stdout.write(json.dumps(prove(balancer.address, servers)) + "\n")
            return
        sys.stdout.write(f"{balancer.address}, {asked.workers} workers; Ctrl-C ends all\n")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
