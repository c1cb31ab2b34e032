"""Workers on a Ray cluster: detached actors that keep one worker process each, and outlive the command that made them.

Ray chooses the machine and starts an actor again when it or its machine ends. Which job a worker does, and who holds
it, is said by the leases of the store alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

from agent_tools.errors import EngineError, ModelMissing

NAMESPACE, PREFIX = "agent-tools", "worker-"
ATTEMPTS = 3


class Keeper:
    """The actor: starts a worker that stays, and ends with it, so that Ray starts both again. If it is killed, for
    example by Ray because memory is short, the worker ends too: Ray starts a new one and would not end the old one."""

    def __init__(self) -> None:
        self._worker = subprocess.Popen([sys.executable, "-m", __name__], stdin=subprocess.PIPE)
        self._ended = False
        threading.Thread(target=self._watch, daemon=True).start()

    def pid(self) -> int:
        return self._worker.pid

    def end(self) -> None:
        """End the worker as SIGTERM does: its job is free at once."""
        self._ended = True
        self._worker.terminate()
        self._worker.wait()

    def _watch(self) -> None:
        self._worker.wait()
        if not self._ended:
            os._exit(1)


def work() -> int:
    """The worker of a Keeper. Its stdin is a pipe that nobody writes to, and that closes when the Keeper ends."""
    from agent_tools.ingestion.worker import main

    def follow() -> None:
        sys.stdin.buffer.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=follow, name="keeper", daemon=True).start()
    return main(stay=True)


def place(address: str, count: int, environment: Mapping[str, str], *, cpus: float, gpus: float) -> list[str]:
    """Have `count` workers on the cluster, each named; those that are there already stay, and those beyond it end.

    Args:
        address: ray://HOST:10001, or what ray.init takes.
        environment: the settings of the workers, as variables; what it does not name is each machine's own.
        cpus, gpus: what Ray reserves for one worker.

    Returns: the names, in order.
    Raises: ModelMissing: the extra `ray` is not installed. EngineError: the cluster does not answer."""
    ray = _ray()
    _connect(ray, address)
    try:
        names = [f"{PREFIX}{number}" for number in range(count)]
        for name in sorted(set(_placed(ray)) - set(names)):
            actor = ray.get_actor(name)
            ray.get(actor.end.remote())
            ray.kill(actor)
        for name in names:
            ray.remote(Keeper).options(
                name=name,
                get_if_exists=True,
                lifetime="detached",
                max_restarts=-1,
                num_cpus=cpus,
                num_gpus=gpus,
                runtime_env={"env_vars": dict(environment)},
            ).remote()
        return names
    finally:
        ray.shutdown()


def _connect(ray: Any, address: str) -> None:
    """A cluster whose machine is busy may need longer than Ray waits for the process that serves a new client."""
    for left in reversed(range(ATTEMPTS)):
        try:
            ray.init(address=address, namespace=NAMESPACE, log_to_driver=False)
            return
        except (ConnectionError, RuntimeError, ValueError) as error:
            if left and isinstance(error, RuntimeError):
                continue
            raise EngineError(
                f"No Ray cluster answers at {address} ({error}). Start one with `ray start --head`."
            ) from error


def _placed(ray: Any) -> list[str]:
    from ray.util import list_named_actors

    return [name for name in list_named_actors() if name.startswith(PREFIX)]


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise ModelMissing(
            f"--workers needs a package that is not installed ({error}). "
            'Install it with: pip install "agent-tools-video[ray]"'
        ) from error
    return ray


if __name__ == "__main__":
    raise SystemExit(work())
