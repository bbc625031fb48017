"""Administration orders of the Ditto services, for the same dispatcher as `service.admin`:

    client.add {name, max_users?}    client.list {}    client.remove {name}    client.rotate-key {}
    ditto.request {user, start_ns, end_ns}    ditto.request {user?, file, block}

`name` of `client.remove` may be the client's id too. Times are nanoseconds since 1970, both ends included. Whose announced file
it is need not be told when a `file` (uuid) is named.
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from homestow.server.service.accounts import Accounts
from homestow.server.service.admin_args import Args, Orders, outcome
from homestow.values.errors import BadRequest, NotFound
from homestow.values.words import counted
from homestow.wire.api import Outcome

if TYPE_CHECKING:
    from homestow.server.service.ditto import Ditto
    from homestow.server.service.ditto_tokens import Key

_LATER = "Devices that are away get to know when they come back."


class DittoOrders:
    """Carries out orders around clients, their keys, and what devices are asked to upload."""

    def __init__(
        self, ditto: "Callable[[], Ditto]", accounts: Accounts, save_keys: "Callable[[Sequence[Key]], None]"
    ) -> None:
        """Make it.

        Args:
            ditto: gives the use cases, the same that serve if somebody does.
            save_keys: puts keys in the place of those that are there, durably.
        """
        self._ditto = ditto
        self._accounts = accounts
        self._save_keys = save_keys

    def orders(self) -> Orders:
        """What there is."""
        return {
            "client.add": self._client_add,
            "client.list": self._client_list,
            "client.remove": self._client_remove,
            "client.rotate-key": self._rotate_key,
            "ditto.request": self._request,
        }

    # --- clients --------------------------------------------------------------------------------------------------

    def _client_add(self, args: Args) -> Outcome:
        made = self._ditto().auth.add_client(args.text("name"), args.maybe_number("max_users") or 0)
        shown = {"client_id": made.id, "client_secret": made.secret}
        return outcome([json.dumps(shown)], shown)

    def _client_list(self, args: Args) -> Outcome:
        clients = self._ditto().auth.clients()
        lines = [
            f"{one.name}  {one.id}  {counted(one.max_users, 'user') + ' at most' if one.max_users else 'any number of users'}  "
            f"since {_when(one.created_ns)}"
            for one in clients
        ]
        data = [{"name": one.name, "client_id": one.id, "max_users": one.max_users} for one in clients]
        return outcome(lines or ["No clients; make one with `homestow client add NAME`."], data)

    def _client_remove(self, args: Args) -> Outcome:
        name = args.text("name")
        self._ditto().auth.remove_client(name)
        return outcome(
            [f"{name}: the client is removed; whoever logged in through it is logged out."], {"client": name}
        )

    def _rotate_key(self, args: Args) -> Outcome:
        key = self._ditto().auth.rotate(self._save_keys)
        return outcome(
            [
                f"Tokens are signed with the new key {key.id} from now on; those of the two keys before count until they end."
            ],
            {"key": key.id},
        )

    # --- upload commands ------------------------------------------------------------------------------------------

    def _request(self, args: Args) -> Outcome:
        events, user = self._ditto().events, args.maybe_text("user")
        if (file := args.maybe_text("file")) is not None:
            block = args.number("block")
            self._request_block(file, block, user)
            return outcome(
                [f"Block {block} of {file} is asked for.", _LATER],
                {"file": file, "block": block},
            )
        name = args.text("user")
        start, end = args.number("start_ns"), args.number("end_ns")
        events.want_files(self._accounts.named(name).id, start, end)
        return outcome(
            [
                f"{name}: the files from {_when(start)} to {_when(end)} (UTC) are asked for.",
                _LATER,
            ],
            {"user": name, "start_ns": start, "end_ns": end},
        )

    def _request_block(self, file: str, block: int, user: str | None) -> None:
        for account in self._accounts.all() if user is None else [self._accounts.named(user)]:
            try:
                self._ditto().events.want_block(account.id, file, block)
            except NotFound:
                continue
            return
        raise NotFound(f"{'Nobody' if user is None else user} has announced a file {file!r}.")


def _when(at_ns: int) -> str:
    """A time for people, UTC, to the second."""
    try:
        return datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError) as error:
        raise BadRequest("This is not a time of our calendar.") from error
