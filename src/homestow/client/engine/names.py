"""Who has a name in a folder, found without walking the folder twice."""

from collections.abc import Callable, Iterable

from homestow.client.engine.trees import LocalItem, RemoteItem
from homestow.values.paths import nfc


def fold(name: str) -> str:
    """What a disk that folds case takes for the same name (R15)."""
    return nfc(name.casefold())


class Names:
    """An index of names, made per folder when first asked."""

    def __init__(
        self, kids: Callable[[int], Iterable[int]], look: Callable[[int], LocalItem | RemoteItem | None]
    ) -> None:
        self._kids, self._look = kids, look
        self._index: dict[int, dict[str, int]] = {}

    def of(self, folder: int, name: str) -> int | None:
        """The item of that NFC name in a folder; with two on disk, the one that was there first."""
        index = self._index.get(folder)
        if index is None:
            index = {}
            for kid in sorted(self._kids(folder), key=abs):
                if (item := self._look(kid)) is not None:
                    index.setdefault(item.name, kid)
            self._index[folder] = index
        return index.get(name)
