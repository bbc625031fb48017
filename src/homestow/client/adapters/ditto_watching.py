"""Events of a Ditto server, one after the other, whatever happens to the connection."""

import queue
import uuid as uuids
from collections import OrderedDict
from collections.abc import Collection, Iterator
from typing import Final

import grpc

from homestow.client.adapters.ditto_connection import DittoConnection
from homestow.client.adapters.ditto_errors import error_of, status_of
from homestow.client.adapters.ditto_values import DittoEvent, DittoTokens, EventKind, event_of
from homestow.values.errors import Busy, CloudError, LoginNeeded, ServerError, TooManyTries, Unreachable
from homestow.wire.ditto import ditto_pb2 as pb

STREAM_S: Final = 3000.0
"""A stream is begun anew after so long, before its access token ends."""

_REMEMBERED: Final = 10_000
_PAUSES_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)


class Watching:
    """One watch, begun again whenever it breaks.

    Asking for the next event says that the one before was processed. The server is told so by beginning the watch again on the
    open stream: that stands for "done with all that came before your last `created`", so it takes two to be done with what
    came last, and what crosses them on the way is never taken for processed.
    """

    def __init__(self, connection: DittoConnection, kinds: Collection[EventKind], watch: str) -> None:
        self._connection = connection
        self._request = pb.WatchRequest(create_request=pb.WatchCreateRequest(watch_uuid=watch or str(uuids.uuid4())))
        self._request.create_request.watches.extend(int(kind) for kind in sorted(kinds))  # type: ignore[misc]  # numbers
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._failures = 0
        self._answered = False

    def events(self) -> Iterator[DittoEvent]:
        """Events without end, each once; ends when the connection is closed.

        Raises:
            CloudError: the server refuses for good. What passes (no answer, too busy, a restart) is waited for.
        """
        renewed = False
        while not self._connection.closed:
            tokens, self._answered = None, False
            try:
                tokens = self._connection.tokens()
                yield from self._stream(tokens)
                self._rest(None)
            except LoginNeeded:
                if tokens is None or (renewed and not self._answered):
                    raise
                renewed = self._renewed(tokens)
            except (Unreachable, Busy, TooManyTries, ServerError) as error:
                self._rest(error)

    def _renewed(self, tokens: DittoTokens) -> bool:
        """Whether there are other tokens now than those that were refused."""
        try:
            self._connection.renew(tokens)
        except (Unreachable, Busy, TooManyTries) as error:
            self._rest(error)
            return False
        return True

    def _rest(self, error: CloudError | None) -> None:
        said = 0 if error is None else error.facts.get("retry_after_s")
        wait_s = _PAUSES_S[min(self._failures, len(_PAUSES_S) - 1)]
        self._failures += 1
        self._connection.pause(max(wait_s, float(said) if isinstance(said, int) else 0.0))

    def _stream(self, tokens: DittoTokens) -> Iterator[DittoEvent]:
        """Events of one stream that were not handed out before."""
        asks: queue.SimpleQueue[pb.WatchRequest | None] = queue.SimpleQueue()
        # The second one says at once that this client acknowledges, so that time alone never counts as processed.
        asks.put(self._request)
        asks.put(self._request)
        unanswered, unsettled = 2, 0
        call = self._connection.stream(iter(asks.get, None), STREAM_S, tokens)
        try:
            for answer in call:
                self._failures, self._answered = 0, True
                if answer.created:
                    unanswered -= 1
                elif answer.events:
                    yield from self._fresh(answer.events)
                    unsettled = 2
                elif answer.cancelled:
                    return
                if unsettled and not unanswered:
                    asks.put(self._request)
                    unanswered, unsettled = 1, unsettled - 1
        except grpc.RpcError as error:
            if status_of(error) is grpc.StatusCode.DEADLINE_EXCEEDED:
                return
            raise error_of(error) from error
        finally:
            call.cancel()
            asks.put(None)

    def _fresh(self, messages: Collection[pb.Event]) -> Iterator[DittoEvent]:
        for message in messages:
            event = event_of(message)
            if event is None or event.uuid in self._seen:
                continue
            yield event
            self._seen[event.uuid] = None
            if len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)
