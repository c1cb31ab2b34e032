"""Files of a store in object storage (S3, Google Cloud Storage, Azure) or in a shared folder, by obstore.

Access is the library's own: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL and their like in
the environment, or the machine's role."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_tools.errors import ModelMissing, StoreError, StoreUnreachable

if TYPE_CHECKING:
    from obstore.store import ObjectStore


class ObjectMissing(StoreError):
    """An object is not there: it was removed, or replaced by another one, after its name was read."""


class Objects:
    """Named bytes below one address.

    Args:
        url: such as s3://BUCKET/PREFIX; a folder of file:// must be there.

    Raises: ModelMissing: the extra `objects` is not installed. StoreError: the address is none."""

    def __init__(self, url: str) -> None:
        try:
            import obstore
            from obstore import store
        except ImportError as error:
            raise ModelMissing(
                f"--files needs a package that is not installed ({error}). "
                'Install it with: pip install "agent-tools-video[objects]"'
            ) from error
        self._lib: Any = obstore
        self._missing: tuple[type[BaseException], ...] = (FileNotFoundError,)
        self._failed = obstore.exceptions.BaseError
        self.url = url
        # Without https only where an address without it was set: a server on the own network.
        plain = url.startswith("s3://") and os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
        with self._translated():
            self._store: ObjectStore = (
                store.from_url(url, client_options={"allow_http": True}) if plain else store.from_url(url)
            )

    def put(self, name: str, file: Path) -> None:
        """Keep a file under a name, whole or not at all; in several parts where it is large."""
        with self._translated(place=True):
            self._lib.put(self._store, name, file)

    def get(self, name: str) -> bytes:
        """Raises: ObjectMissing, StoreUnreachable."""
        with self._translated():
            return bytes(self._lib.get(self._store, name).bytes())

    def part(self, name: str, start: int, length: int) -> bytes:
        """Raises: ObjectMissing, StoreUnreachable."""
        with self._translated():
            return bytes(self._lib.get_range(self._store, name, start=start, length=length))

    def check(self) -> None:
        """Write, read and remove a small object. Raises: StoreError: one of them is not possible."""
        name = f"check-{secrets.token_hex(8)}"
        with self._translated(place=True):
            self._lib.put(self._store, name, name.encode())
            self._lib.get(self._store, name)
            self._lib.delete(self._store, name)

    def names(self, prefix: str) -> list[str]:
        with self._translated(place=True):
            return [one["path"] for page in self._lib.list(self._store, prefix) for one in page]

    def remove(self, names: list[str]) -> None:
        """Those that are gone already count as removed."""
        for name in names:
            try:
                with self._translated():
                    self._lib.delete(self._store, name)
            except ObjectMissing:
                continue

    @contextmanager
    def _translated(self, *, place: bool = False) -> Iterator[None]:
        """Args: place: what is missing is not an object but the place for all of them."""
        try:
            yield
        except self._missing as error:
            if place:
                raise StoreUnreachable(
                    f"{self.url}: there is no such bucket or folder ({_first(error)}). Make it, or check --files."
                ) from error
            raise ObjectMissing(f"{self.url} does not hold what the memory says ({_first(error)}).") from error
        except self._failed as error:
            raise StoreUnreachable(
                f"{self.url} does not answer as it should ({_first(error)}). Check --files and the access to it, then "
                "retry."
            ) from error


def _first(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:300]
