"""Access tokens of an OAuth issuer: signed JWTs, checked against the keys that the operator named.

The server is a resource server only: it issues no tokens and holds no users. Knows PyJWT and the SDK's auth settings.
Knows nothing of requests: the SDK's middleware reads the header and answers 401 with the way to the metadata."""

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
# Signatures by public key alone: neither "none" nor an HMAC, whose secret would be the public key.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
NEEDED = ("exp", "iss", "aud")
LEEWAY_S = 10  # clocks differ
FETCH_S = 10.0
REFETCH_S = 10.0  # between two fetches of keys, whatever keys the tokens name and whether or not the last one failed
NAMES = ("oauth_issuer", "oauth_jwks", "oauth_audience")


class Keys(Protocol):
    def get_signing_key(self, kid: str) -> jwt.PyJWK:
        """Raises: jwt.PyJWTError: no such key, or the keys cannot be had."""
        ...


def configured(settings: Settings) -> bool:
    """Whether access tokens are accepted. Raises: InvalidArgument: settings that are half given or unsafe."""
    given = [name for name in NAMES if getattr(settings, name)]
    if not given:
        return False
    if missing := [name for name in NAMES if name not in given]:
        raise InvalidArgument(
            f"{', '.join(given)} without {', '.join(missing)}: access tokens are checked by issuer, keys and audience "
            f"together. Set --{missing[0].replace('_', '-')} too."
        )
    for name in ("oauth_issuer", "oauth_audience"):
        _check_address(name, getattr(settings, name))
    keys = settings.oauth_jwks
    if "://" in keys:
        _check_address("oauth_jwks", keys)
    elif not Path(keys).expanduser().is_file():
        raise InvalidArgument(f"oauth_jwks is {keys!r}, which is no file. Name a JWKS file or an https address.")
    return True


def auth(settings: Settings) -> AuthSettings:
    """What the SDK publishes as protected-resource metadata (RFC 9728), and checks."""
    return AuthSettings(
        issuer_url=AnyHttpUrl(settings.oauth_issuer),
        resource_server_url=AnyHttpUrl(settings.oauth_audience),
        validate_token_resource=True,
    )


class Verifier:
    """The SDK's TokenVerifier: an access token of the issuer, or the server's own token where one is set."""

    def __init__(self, settings: Settings) -> None:
        self._issuer, self._audience = settings.oauth_issuer, settings.oauth_audience
        self._token = settings.token.encode()
        self._keys: Keys = (
            FetchedKeys(settings.oauth_jwks)
            if "://" in settings.oauth_jwks
            else KeyFile(Path(settings.oauth_jwks).expanduser())
        )

    async def verify_token(self, token: str) -> AccessToken | None:
        """Who the token speaks for; None where it is not to be trusted, with the reason in the log alone."""
        if self._token and hmac.compare_digest(token.strip().encode(), self._token):
            return AccessToken(token=token, client_id="token", scopes=[], resource=self._audience)
        try:
            claims = await anyio.to_thread.run_sync(self._claims, token)
        except (jwt.PyJWKClientConnectionError, jwt.PyJWKSetError, OSError, ValueError) as error:
            log.error("oauth_jwks gives no keys, so access tokens are refused: %s", error)
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
        if header.get("alg") not in ALGORITHMS:  # before any key is looked for
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
    """The keys at an address, held for minutes, and fetched anew for a key that is not among them, but not at once:
    what a token names is chosen by whoever sends it."""

    def __init__(self, address: str, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(address, timeout=FETCH_S)
        self._now, self._asked_at = now, -math.inf

    def fetch_data(self) -> Any:
        """Raises: jwt.PyJWTError: no keys are to be had, or they were asked for only just now."""
        if self._now() - self._asked_at < REFETCH_S:
            raise jwt.PyJWKClientError(f"the keys were asked for less than {REFETCH_S:g} s ago")
        self._asked_at = self._now()
        return super().fetch_data()


class KeyFile:
    """A JWKS file, read again when it changed."""

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
            raise jwt.PyJWKClientError(f"{len(found)} keys fit the token's key id")
        return found[0]


def _signing(path: Path) -> list[jwt.PyJWK]:
    try:
        keys = jwt.PyJWKSet.from_json(path.read_text(encoding="utf-8")).keys
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError) as error:
        raise jwt.PyJWKSetError(f"{path.name} is no JWKS") from error
    return [key for key in keys if key.public_key_use in ("sig", None)]


def _check_address(name: str, text: str) -> None:
    parts = urlsplit(text)
    loopback = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and loopback)):
        raise InvalidArgument(f"{name} is {text!r}; it must be an https address (http on loopback only).")
