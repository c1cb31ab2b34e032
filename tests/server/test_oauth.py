"""Access tokens over HTTP: only those of the issuer, for this server, in time and rightly signed, are let in."""

from __future__ import annotations

import base64
import hmac
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from agent_tools.errors import InvalidArgument
from agent_tools.server import oauth
from agent_tools.server.http import check
from agent_tools.service.library.library import Library
from agent_tools.settings import Settings
from agent_tools.types import GroundReply
from tests.server.test_http import ENVELOPE, INITIALIZE, JSON, TOKEN, http_client, rpc
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio
ISSUER, AUDIENCE = "https://login.example.com/", "https://video.example.com/mcp"
METADATA = "https://video.example.com/.well-known/oauth-protected-resource/mcp"
OWN = ec.generate_private_key(ec.SECP256R1())
STRANGER = ec.generate_private_key(ec.SECP256R1())


def jwks(*keys: tuple[str, ec.EllipticCurvePrivateKey]) -> str:
    return json.dumps(
        {
            "keys": [
                {**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"} for kid, key in keys
            ]
        }
    )


@pytest.fixture
def guarded(settings: Settings, tmp_path: Path) -> Settings:
    path = tmp_path / "jwks.json"
    path.write_text(jwks(("one", OWN)))
    return replace(
        settings,
        transport="http",
        oauth_issuer=ISSUER,
        oauth_jwks=str(path),
        oauth_audience=AUDIENCE,
        allowed_hosts=("video.example.com",),
    )


def token(key: ec.EllipticCurvePrivateKey = OWN, kid: str | None = "one", **changed: Any) -> str:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "client_id": "desk", "exp": int(time.time()) + 300}
    claims = {name: value for name, value in {**claims, **changed}.items() if value is not None}
    return jwt.encode(claims, key, "ES256", headers={"kid": kid} if kid else None)


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def unsigned() -> str:
    return ".".join((encoded(b'{"alg":"none","kid":"one"}'), token().split(".")[1], ""))


def by_public_key() -> str:
    """What a stranger can make: an HMAC whose secret is the public key."""
    told = ".".join((encoded(b'{"alg":"HS256","kid":"one"}'), token().split(".")[1]))
    return ".".join((told, encoded(hmac.digest(jwks(("one", OWN)).encode(), told.encode(), "sha256"))))


def altered() -> str:
    head, _, signature = token().split(".")
    body = json.dumps({"iss": ISSUER, "aud": AUDIENCE, "exp": 2**40, "sub": "root"})
    return ".".join((head, encoded(body.encode()), signature))


CASES: list[tuple[str, Callable[[], str | None], int]] = [
    ("of the issuer, for this server", token, 200),
    ("for several servers, this among them", lambda: token(aud=["https://else.example.com", AUDIENCE]), 200),
    ("none", lambda: None, 401),
    ("no JWT", lambda: "hunter2hunter2hunter2", 401),
    ("signed by a stranger", lambda: token(STRANGER), 401),
    ("claims altered after signing", altered, 401),
    ("expired", lambda: token(exp=int(time.time()) - 60), 401),
    ("without an end", lambda: token(exp=None), 401),
    ("not valid yet", lambda: token(nbf=int(time.time()) + 600), 401),
    ("for another server", lambda: token(aud="https://else.example.com/mcp"), 401),
    ("for no server", lambda: token(aud=None), 401),
    ("of another issuer", lambda: token(iss="https://evil.example.com/"), 401),
    ("of no issuer", lambda: token(iss=None), 401),
    ("an unknown key", lambda: token(kid="two"), 401),
    ("alg none", unsigned, 401),
    ("an HMAC, keyed by what is public", by_public_key, 401),
]


@pytest.mark.parametrize(("case", "made", "status"), CASES, ids=[case for case, _, _ in CASES])
async def test_only_good_access_tokens_are_let_in(
    guarded: Settings, library: Library, case: str, made: Callable[[], str | None], status: int
) -> None:
    given = made()
    headers = {**JSON, "host": "video.example.com"} | ({"authorization": f"Bearer {given}"} if given else {})
    async with http_client(guarded, library) as client:
        answer = await client.post("/mcp", headers=headers, content=json.dumps(INITIALIZE))
    assert answer.status_code == status, (case, answer.text)
    if status == 401:
        told = answer.headers["www-authenticate"]
        assert told.startswith("Bearer ")
        assert f'resource_metadata="{METADATA}"' in told
        assert given is None or given not in answer.text


async def test_who_is_refused_learns_where_tokens_are_made(guarded: Settings, library: Library) -> None:
    async with http_client(guarded, library) as client:
        path = METADATA.removeprefix("https://video.example.com")
        answer = await client.get(path, headers={"host": "video.example.com"})
        assert answer.status_code == 200
        assert answer.json()["resource"] == AUDIENCE
        assert answer.json()["authorization_servers"] == [ISSUER]
        assert (await client.get("/health", headers={"host": "localhost"})).status_code == 200


@pytest.mark.parametrize("given", [TOKEN, f" {TOKEN}"])
async def test_the_one_token_works_beside_access_tokens(guarded: Settings, library: Library, given: str) -> None:
    headers = {**JSON, "host": "localhost", "authorization": f"Bearer {given}"}
    async with http_client(replace(guarded, token=TOKEN), library) as client:
        assert (await client.post("/mcp", headers=headers, content=json.dumps(INITIALIZE))).status_code == 200
        headers["authorization"] = f"Bearer {token()}"
        assert (await client.post("/mcp", headers=headers, content=json.dumps(INITIALIZE))).status_code == 200
        headers["authorization"] = f"Bearer {TOKEN}x"
        assert (await client.post("/mcp", headers=headers, content=json.dumps(INITIALIZE))).status_code == 401


async def test_the_host_is_checked_before_the_token(guarded: Settings, library: Library) -> None:
    headers = {**JSON, "host": "evil.example.com", "authorization": f"Bearer {token()}"}
    async with http_client(guarded, library) as client:
        assert (await client.post("/mcp", headers=headers, content=json.dumps(INITIALIZE))).status_code == 421


async def test_callers_are_told_apart_by_their_subject(
    guarded: Settings, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def ground(*_: Any, caller: str, **__: Any) -> GroundReply:
        seen.append(caller)
        return GroundReply(verdict="uncertain")

    monkeypatch.setattr("agent_tools.service.ground_event.ground_event", ground)
    params = {"_meta": ENVELOPE, "name": "ground_event", "arguments": {"event": "x"}}
    headers = {**JSON, "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "ground_event"}
    async with http_client(guarded, library) as client:
        for subject in ("ada", "bob", "ada"):
            sent = {**headers, "host": "localhost", "authorization": f"Bearer {token(sub=subject, jti=str(len(seen)))}"}
            assert (await client.post("/mcp", headers=sent, content=rpc("tools/call", 1, params))).status_code == 200
    assert seen[0] == seen[2] != seen[1]
    assert "ada" in seen[0]


async def test_a_session_is_its_owners_alone(guarded: Settings, library: Library) -> None:
    headers = {**JSON, "host": "localhost"}
    async with http_client(guarded, library) as client:
        ada, bob = ({"authorization": f"Bearer {token(sub=name)}"} for name in ("ada", "bob"))
        opened = await client.post("/mcp", headers={**headers, **ada}, content=json.dumps(INITIALIZE))
        headers["mcp-session-id"] = opened.headers["mcp-session-id"]
        listed = rpc("tools/list", 2, {})
        assert (await client.post("/mcp", headers={**headers, **bob}, content=listed)).status_code in (403, 404)


async def test_a_key_file_is_read_again_when_it_changed(guarded: Settings) -> None:
    verifier = oauth.Verifier(guarded)
    assert await verifier.verify_token(token(STRANGER, kid="new")) is None
    Path(guarded.oauth_jwks).write_text(jwks(("one", OWN), ("new", STRANGER)))
    known = await verifier.verify_token(token(STRANGER, kid="new", scope="watch listen"))
    assert known is not None
    assert (known.subject, known.client_id, known.scopes) == ("ada", "desk", ["watch", "listen"])
    assert await verifier.verify_token(token(kid=None)) is None  # two keys, and it does not say which
    for broken in ("", "[]", "{}", '{"keys": []}'):
        Path(guarded.oauth_jwks).write_text(broken)
        assert await verifier.verify_token(token()) is None
    Path(guarded.oauth_jwks).unlink()
    assert await verifier.verify_token(token()) is None


@pytest.fixture
def served_keys() -> Iterator[tuple[str, list[str], list[str]]]:
    """The address of a key server on loopback, its answers, the last of which it goes on giving, and what was asked."""
    answers: list[str] = []
    asked: list[str] = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answers[-1].encode())
            asked.append(self.path)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/keys", answers, asked
    server.shutdown()
    server.server_close()
    thread.join(PATIENCE_S)


async def test_keys_are_fetched_from_the_named_address(
    guarded: Settings, served_keys: tuple[str, list[str], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    address, answers, _ = served_keys
    answers.append(jwks(("one", OWN)))
    verifier = oauth.Verifier(replace(guarded, oauth_jwks=address))
    assert await verifier.verify_token(token()) is not None
    assert await verifier.verify_token(token(STRANGER)) is None
    answers.append("no JSON")
    assert await verifier.verify_token(token()) is not None  # the keys are held for minutes
    assert await oauth.Verifier(replace(guarded, oauth_jwks=address)).verify_token(token()) is None
    assert "oauth_jwks gives no keys" in caplog.text


@pytest.mark.parametrize("answer", [jwks(("one", OWN)), "no JSON"], ids=["an unknown key", "no keys"])
def test_keys_are_not_fetched_for_every_token(served_keys: tuple[str, list[str], list[str]], answer: str) -> None:
    address, answers, asked = served_keys
    clock, fetched = [0.0], []
    answers.append(answer)
    keys = oauth.FetchedKeys(address, lambda: clock[0])
    keys.cooldown_duration = 0  # which the oldest PyJWT does not have
    for _ in range(2):
        for number in range(5):
            with pytest.raises((jwt.PyJWTError, ValueError)):
                keys.get_signing_key(f"made up {number}")
        fetched.append(len(asked))
        clock[0] += oauth.REFETCH_S
    assert fetched == [1, 2]


def test_access_tokens_let_the_server_listen_to_others(guarded: Settings) -> None:
    check(replace(guarded, host="0.0.0.0"))
    with pytest.raises(InvalidArgument, match="--allowed-hosts"):
        check(replace(guarded, host="0.0.0.0", allowed_hosts=()))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"oauth_jwks": ""}, "--oauth-jwks"),
        ({"oauth_issuer": "", "oauth_audience": ""}, "--oauth-issuer"),
        ({"oauth_issuer": "http://login.example.com"}, "https"),
        ({"oauth_audience": "video"}, "https"),
        ({"oauth_jwks": "http://login.example.com/keys"}, "https"),
        ({"oauth_jwks": "file:///etc/passwd"}, "https"),
        ({"oauth_jwks": "/nowhere/jwks.json"}, "not a file"),
    ],
)
def test_settings_that_cannot_be_checked_are_refused(guarded: Settings, changed: dict[str, str], says: str) -> None:
    with pytest.raises(InvalidArgument, match=says):
        check(replace(guarded, **changed))
