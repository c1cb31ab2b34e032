"""Access tokens of an OAuth issuer: signed JWTs, checked with the keys that the operator named.

The server is a resource server only: it issues no tokens and has no users. The SDK's middleware reads the header, and
its 401 reply says where the metadata is."""

from __future__ import annotations

import hmac
import json
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import anyio.to_thread
import jwt
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from pydantic import AnyHttpUrl

from agent_tools.errors import InvalidArgument
from agent_tools.settings import Settings

log = logging.getLogger("agent_tools.server")
# Only signatures with a public key: not "none", and not HMAC, whose secret would be the public key.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
NEEDED = ("exp", "iss", "aud")
LEEWAY_S = 10  # clocks differ
FETCH_S = 10.0
REFETCH_S = 10.0  # least time between two fetches of keys, whatever keys the tokens name and even after a failure
NAMES = ("oauth_issuer", "oauth_jwks", "oauth_audience")


class Keys(Protocol):
    def get_signing_key(self, kid: str) -> jwt.PyJWK:
        """The key of that id. Raises: jwt.PyJWTError: no such key, or the keys cannot be read."""
        ...


def configured(settings: Settings) -> bool:
    """Whether the server accepts access tokens. Raises: InvalidArgument: the settings are incomplete or unsafe."""
    given = [name for name in NAMES if getattr(settings, name)]
    if not given:
        return False
    if missing := [name for name in NAMES if name not in given]:
        raise InvalidArgument(
            f"{', '.join(given)} is set without {', '.join(missing)}: a check of access tokens needs issuer, keys and "
            f"audience. Set --{missing[0].replace('_', '-')} too."
        )
    for name in ("oauth_issuer", "oauth_audience"):
        _check_address(name, getattr(settings, name))
    keys = settings.oauth_jwks
    if "://" in keys:
        _check_address("oauth_jwks", keys)
    elif not Path(keys).expanduser().is_file():
        raise InvalidArgument(f"oauth_jwks is {keys!r}, which is not a file. Name a JWKS file or an https address.")
    return True


def auth(settings: Settings) -> AuthSettings:
    """The SDK's settings: it publishes them as protected-resource metadata (RFC 9728) and checks tokens by them."""
    return AuthSettings(
        issuer_url=AnyHttpUrl(settings.oauth_issuer),
        resource_server_url=AnyHttpUrl(settings.oauth_audience),
        validate_token_resource=True,
    )


class Verifier:
    """The SDK's TokenVerifier: accepts access tokens of the issuer, and the server's own token if one is set."""

    def __init__(self, settings: Settings) -> None:
        self._issuer, self._audience = settings.oauth_issuer, settings.oauth_audience
        self._token = settings.token.encode()
        self._keys: Keys = (
            FetchedKeys(settings.oauth_jwks)
            if "://" in settings.oauth_jwks
            else KeyFile(Path(settings.oauth_jwks).expanduser())
        )

    async def verify_token(self, token: str) -> AccessToken | None:
        """The principal of the token; None for a token that is not valid. Only the log says why."""
        if self._token and hmac.compare_digest(token.strip().encode(), self._token):
            return AccessToken(token=token, client_id="token", scopes=[], resource=self._audience)
        try:
            claims = await anyio.to_thread.run_sync(self._claims, token)
        except (jwt.PyJWKClientConnectionError, jwt.PyJWKSetError, OSError, ValueError) as error:
            log.error("access tokens are refused, because oauth_jwks gives no keys: %s", error)
            return None
        except jwt.PyJWTError as error:
            log.info("an access token was refused: %s", error)
            return None
        client = claims.get("client_id") or claims.get("azp") or claims.get("sub") or "?"
        scopes = claims.get("scope") or claims.get("scp") or []
        return AccessToken(
            token=token,
            client_id=str(client),
            scopes=scopes.split() if isinstance(scopes, str) else [str(scope) for scope in scopes],
            expires_at=int(claims["exp"]) + LEEWAY_S,
            resource=self._audience,
            subject=None if claims.get("sub") is None else str(claims["sub"]),
            claims={"iss": self._issuer},
        )

    def _claims(self, token: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in ALGORITHMS:  # before the search for a key
            raise jwt.InvalidAlgorithmError(f"signed by {str(header.get('alg'))[:20]!r}")
        key = self._keys.get_signing_key(str(header.get("kid", "")))
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(ALGORITHMS),
            audience=self._audience,
            issuer=self._issuer,
            leeway=LEEWAY_S,
            options={"require": list(NEEDED)},
        )
        return claims


class FetchedKeys(jwt.PyJWKClient):
    """The keys at an address, kept for some minutes. An unknown key id makes a new fetch, but never within REFETCH_S
    of the last one: the sender of a token chooses its key id, so strangers could otherwise cause any number."""

    def __init__(self, address: str, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(address, timeout=FETCH_S)
        self._now, self._fetched_at = now, -math.inf

    def fetch_data(self) -> Any:
        """Fetch the keys. Raises: jwt.PyJWTError: the address gives no keys, or the last fetch is too recent."""
        if self._now() - self._fetched_at < REFETCH_S:
            raise jwt.PyJWKClientError(f"the last fetch of keys was less than {REFETCH_S:g} s ago")
        self._fetched_at = self._now()
        return super().fetch_data()


class KeyFile:
    """A JWKS file. It is read again after a change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[object, list[jwt.PyJWK]] = None, []

    def get_signing_key(self, kid: str) -> jwt.PyJWK:
        """The key of that id; without an id, the only key. Raises: jwt.PyJWTError, OSError."""
        stat = self._path.stat()
        mark = stat.st_mtime_ns, stat.st_size
        if self._read[0] != mark:
            self._read = mark, _signing(self._path)
        keys = self._read[1]
        found = [key for key in keys if key.key_id == kid] if kid else keys
        if len(found) != 1:
            raise jwt.PyJWKClientError(f"{len(found)} keys match the token's key id; exactly 1 must")
        return found[0]


def _signing(path: Path) -> list[jwt.PyJWK]:
    try:
        keys = jwt.PyJWKSet.from_json(path.read_text(encoding="utf-8")).keys
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError) as error:
        raise jwt.PyJWKSetError(f"{path.name} is not a JWKS file") from error
    return [key for key in keys if key.public_key_use in ("sig", None)]


def _check_address(name: str, text: str) -> None:
    parts = urlsplit(text)
    loopback = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and loopback)):
        raise InvalidArgument(f"{name} is {text!r}; it must be an https address (http on loopback only).")
