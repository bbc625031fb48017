"""What serves a connection of a netdrive client."""

from types import MappingProxyType

from homestow.server.border import Border
from homestow.server.fronts.netdrive import documented, final, phase0
from homestow.server.fronts.netdrive.conversation import Calls, Conversation
from homestow.server.fronts.netdrive.replies import Gate
from homestow.server.fronts.tcp.stream import Stream
from homestow.server.service.netdrive import Netdrive
from homestow.wire.netdrive import Dialect

CALLS = Calls(
    MappingProxyType(
        {Dialect.PHASE0: phase0.HANDLERS, Dialect.DOCUMENTED: documented.HANDLERS, Dialect.FINAL: final.HANDLERS}
    ),
    documented.side_by_side,
)


class NetdriveFront:
    """All connections; `TcpServer` is given its `handle`."""

    def __init__(self, drive: Netdrive, border: Border) -> None:
        self._drive = drive
        self._border = border
        self._gate = Gate()

    async def handle(self, stream: Stream) -> None:
        """One connection to its end.

        Raises:
            ConnectionError, TooSlow: as its stream.
        """
        await Conversation(self._drive, self._border, stream, CALLS, self._gate).run()
