"""Calls to a Ditto server: logged in, with a deadline, repeated where that is harmless."""

import json
import os
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import urlencode

import grpc
from google.protobuf.message import Message

from homestow.client.adapters.ditto_errors import error_of
from homestow.client.adapters.ditto_values import DittoAccess, DittoAddress, DittoTokens
from homestow.client.adapters.http_address import parse_url
from homestow.client.adapters.http_client import HttpClient
from homestow.values.errors import (
    BadSettings,
    Busy,
    CloudError,
    LoginFailed,
    LoginNeeded,
    NotHomestow,
    TooManyTries,
    Unreachable,
)
from homestow.wire.ditto import calls
from homestow.wire.ditto import ditto_pb2 as pb
from homestow.wire.ditto.calls import AUTHORIZATION, BEARER, MAX_MESSAGE_BYTES, Call

AskT = TypeVar("AskT", bound=Message)
AnswerT = TypeVar("AnswerT", bound=Message)

TIMEOUT_S: Final = 30.0
PATIENCE_S: Final = 60.0
"""So long an unreachable or busy server is asked again."""

_EARLY_S: Final = 30.0
"""A token that ends so soon is renewed before it is used."""

_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 10.0
_MOST_TEXT: Final = 64 * 1024
_BUNDLES: Final = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


class TokenStore(Protocol):
    """Where several programs of one user keep the tokens they share."""

    def turn(self) -> AbstractContextManager[object]:
        """While it lasts, no other program renews them: a refresh token that is used twice ends the login."""

    def read(self) -> DittoTokens | None:
        """Those that are kept."""

    def keep(self, tokens: DittoTokens) -> None:
        """Keep these instead."""


class NoStore:
    """Keeps nothing: the tokens live as long as the connection."""

    def turn(self) -> AbstractContextManager[object]:
        """There is nobody else."""
        return nullcontext()

    def read(self) -> DittoTokens | None:
        """None."""
        return None

    def keep(self, tokens: DittoTokens) -> None:
        """Forget them."""


class _Lane:
    """One connection of its own, and the calls on it."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self._unary: dict[str, Any] = {}

    def unary(self, call: Call[AskT, AnswerT]) -> Any:
        """What makes the call."""
        found = self._unary.get(call.path)
        if found is None:
            found = self._unary[call.path] = self.channel.unary_unary(
                call.path, request_serializer=call.asks.SerializeToString, response_deserializer=call.read_answer
            )
        return found


class DittoConnection:
    """Connections to one server for one login; may be used from several threads at once."""

    def __init__(
        self,
        address: DittoAddress,
        access: DittoAccess,
        *,
        tokens: DittoTokens | None = None,
        store: TokenStore | None = None,
        ca: bytes | None = None,
        http: str | None = None,
        allow_plain: bool = False,
        timeout_s: float = TIMEOUT_S,
        patience_s: float = PATIENCE_S,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        """Nothing is connected yet; see `DittoClient`.

        Args:
            pause: waits so many seconds; default: until then, or until the connection is closed.
        """
        for each in (address, *(() if http is None else (_ditto_of(http),))):
            if not (each.tls or each.is_here or allow_plain):
                raise BadSettings(
                    f"Unencrypted to {each.authority}, everybody on the way could read the password and the files: use TLS, "
                    "or allow it where you trust everybody on the network."
                )
        self.address = address
        self.access = access
        self.timeout_s = timeout_s
        self._tokens = tokens
        self._store = store or NoStore()
        self._ca = ca
        self._http = http
        self._patience_s = patience_s
        self._closed = threading.Event()
        self.pause = self._closed.wait if pause is None else pause
        self._logging_in = threading.Lock()
        self._lock = threading.Lock()
        self._idle: deque[_Lane] = deque()
        self._lanes: list[_Lane] = []

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed.is_set()

    def close(self) -> None:
        """End all connections; calls under way fail with `Unreachable`."""
        self._closed.set()
        with self._lock:
            lanes, self._lanes = self._lanes, []
            self._idle.clear()
        for lane in lanes:
            lane.channel.close()

    # --- calls --------------------------------------------------------------------------------------------------------

    def call(
        self,
        call: Call[AskT, AnswerT],
        request: AskT,
        *,
        timeout_s: float = 0.0,
        repeatable: bool = True,
        done_if: type[CloudError] | None = None,
    ) -> AnswerT:
        """The answer to a call, with a login.

        A server that is busy, or that says that calls come too fast, has done nothing: it is asked again. One that does not
        answer may have obeyed: it is asked again if the call is `repeatable`.

        Args:
            timeout_s: the longest wait for one answer; default: that of the connection.
            done_if: refused like this when it was asked again, the call had its effect the first time.
        Raises:
            Unreachable: no answer came in time. CloudError: what the server says.
        """
        repeats = self.repeats()
        renewed, asked = False, False
        while True:
            tokens = self.tokens()
            try:
                return self._once(call, request, timeout_s or self.timeout_s, tokens)
            except LoginNeeded:
                if renewed:
                    raise
                self.renew(tokens)
                renewed = True
            except (TooManyTries, Busy) as error:
                repeats.wait_or_raise(error)
            except Unreachable as error:
                if not repeatable or self.closed:
                    raise
                asked = True
                repeats.wait_or_raise(error)
            except CloudError as error:
                if asked and done_if is not None and isinstance(error, done_if):
                    return call.answers()
                raise

    def stream(self, requests: Iterator[pb.WatchRequest], timeout_s: float, tokens: DittoTokens) -> Any:
        """Begin a stream of watches: an iterator of answers that can be cancelled, on the last connection of this login."""
        with self._lane() as lane:
            method = lane.channel.stream_stream(
                calls.WATCH.path,
                request_serializer=calls.WATCH.asks.SerializeToString,
                response_deserializer=calls.WATCH.read_answer,
            )
            return method(requests, timeout=timeout_s, metadata=_metadata(tokens))

    def repeats(self) -> "Repeats":
        """Pauses between the tries of one thing."""
        return Repeats(self.pause, self._patience_s)

    def _once(self, call: Call[AskT, AnswerT], request: AskT, timeout_s: float, tokens: DittoTokens | None) -> AnswerT:
        with self._lane() as lane:
            try:
                answer = lane.unary(call)(
                    request, timeout=timeout_s, metadata=() if tokens is None else _metadata(tokens)
                )
            except grpc.RpcError as error:
                raise error_of(error) from error
            except ValueError as error:  # the channel was closed by another thread
                raise Unreachable("The connection was closed.") from error
        assert isinstance(answer, call.answers)
        return answer

    # --- logins -------------------------------------------------------------------------------------------------------

    def tokens(self) -> DittoTokens:
        """Tokens that count, as far as the clock tells; logs in when there are none. Raises as `renew`."""
        tokens = self._tokens
        if tokens is None or tokens.until_s - _EARLY_S < time.time():
            tokens = self.renew(tokens)
        return tokens

    def renew(self, stale: DittoTokens | None) -> DittoTokens:
        """Other tokens than these, which count no more: those another thread or program got meanwhile, else new ones.

        Raises:
            LoginFailed: wrong client, secret, user or password.
            LoginNeeded: the login has ended, and there is no password.
            CloudError: the server refuses otherwise, or does not answer.
        """
        with self._logging_in, self._store.turn():
            kept = self._store.read()
            for found in (self._tokens, kept):
                if (
                    found is not None
                    and (stale is None or found.access != stale.access)
                    and found.until_s > time.time()
                ):
                    self._tokens = found
                    return found
            self._tokens = self._refreshed(kept or stale) or self._logged_in()
            self._store.keep(self._tokens)
            return self._tokens

    def _refreshed(self, stale: DittoTokens | None) -> DittoTokens | None:
        """The tokens after these, over HTTP; None when that is not to be had."""
        if self._http is None or stale is None or not stale.refresh:
            return None
        body = urlencode({
            "grant_type": "refresh_token", "client_id": self.access.client_id,
            "client_secret": self.access.client_secret, "refresh_token": stale.refresh,
        }).encode()  # fmt: skip
        client = HttpClient(self._http, self.timeout_s)
        try:
            head = {"Content-Type": "application/x-www-form-urlencoded"}
            with client.request("POST", "/v2/oauth", head, body) as answer:
                text, status = answer.read(_MOST_TEXT), answer.status
            if status != 200:
                return None
            said = json.loads(text)
            return _tokens_of(str(said["access_token"]), int(said["expires_in"]), str(said["refresh_token"]))
        except (ValueError, KeyError, TypeError) as error:
            raise NotHomestow(f"{self._http} does not answer as a Ditto server does.") from error
        finally:
            client.close()

    def _logged_in(self) -> DittoTokens:
        access = self.access
        if access.password is None:
            raise LoginNeeded("The login has ended; log in again.")
        request = pb.AuthenticateRequest(
            client_id=access.client_id, client_secret=access.client_secret, username=access.user,
            password=access.password,
        )  # fmt: skip
        repeats = self.repeats()
        while True:
            try:
                found = self._once(calls.AUTHENTICATE, request, self.timeout_s, None)
            except Unreachable as error:
                if self.closed:
                    raise
                repeats.wait_or_raise(error)
            except LoginNeeded as error:  # a server that gives no reason
                raise LoginFailed(error.message) from error
            else:
                return _tokens_of(found.access_token, found.expires_in, found.refresh_token)

    # --- connections --------------------------------------------------------------------------------------------------

    @contextmanager
    def _lane(self) -> Iterator[_Lane]:
        """A connection that nobody else uses for a call at the moment."""
        with self._lock:
            if self.closed:
                raise Unreachable("The connection was closed.")
            if self._idle:
                lane = self._idle.pop()
            else:
                lane = _Lane(self._channel())
                self._lanes.append(lane)
        try:
            yield lane
        finally:
            with self._lock:
                self._idle.append(lane)

    def _channel(self) -> grpc.Channel:
        options: Sequence[tuple[str, Any]] = (
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ("grpc.use_local_subchannel_pool", 1),  # a connection of its own
            ("grpc.keepalive_time_ms", 20_000),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.enable_retries", 0),
            ("grpc.max_reconnect_backoff_ms", 5_000),
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.min_reconnect_backoff_ms", 1_000),
            *((("grpc.enable_http_proxy", 0),) if self.address.is_here else ()),
        )
        if not self.address.tls:
            return grpc.insecure_channel(self.address.authority, options)
        credentials = grpc.ssl_channel_credentials(_trusted() if self._ca is None else self._ca)
        return grpc.secure_channel(self.address.authority, credentials, options)


class Repeats:
    """Pauses that grow from try to try, until patience is over."""

    def __init__(self, pause: Callable[[float], object], patience_s: float) -> None:
        self._pause = pause
        self._left_s = patience_s
        self._next_s = _FIRST_PAUSE_S

    def wait_or_raise(self, error: CloudError) -> None:
        """Wait as long as the error says, or a little longer than the last time; raise it when patience is over."""
        said = error.facts.get("retry_after_s")
        wait_s = max(self._next_s, float(said) if isinstance(said, int) else 0.0)
        if wait_s > self._left_s:
            raise error
        self._left_s -= wait_s
        self._next_s = min(self._next_s * 2, _LONGEST_PAUSE_S)
        self._pause(wait_s)


def _ditto_of(url: str) -> DittoAddress:
    """How far away an HTTP address is."""
    found = parse_url(url)
    return DittoAddress("ditto", "localhost" if found.path else found.host, found.port, found.tls)


def _metadata(tokens: DittoTokens) -> tuple[tuple[str, str | bytes], ...]:
    return ((AUTHORIZATION, f"{BEARER} {tokens.access}"),)


def _tokens_of(access: str, expires_in: int, refresh: str) -> DittoTokens:
    if not access.isascii() or not access.isprintable():
        raise NotHomestow("The server gave a token that cannot be sent back.")
    return DittoTokens(access, time.time() + expires_in, refresh)


def _trusted() -> bytes | None:
    """The certificates that this computer trusts; None: those that gRPC brings along."""
    for name in (os.environ.get("SSL_CERT_FILE"), ssl.get_default_verify_paths().cafile, *_BUNDLES):
        if name:
            try:
                return Path(name).read_bytes()
            except OSError:
                continue
    return None
