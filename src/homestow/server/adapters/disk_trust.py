"""Which bytes on a disk may still be believed; shared by the tree and its twin in memory."""

import errno

from homestow.values.errors import StorageFailed


class Trust:
    """Which staged bytes may still be believed.

    A kernel that failed to write pages may call them clean afterwards, so a second flush would succeed falsely: after a
    failed flush a file is never believed again, and after one that was not for lack of room nothing is written to the
    store until it is opened anew (P1, "fsync returns EIO").
    """

    def __init__(self) -> None:
        self._doubted: set[str] = set()
        self._broken: OSError | None = None

    def check_store(self) -> None:
        """Raises:
        StorageFailed: a flush failed before.
        """
        if self._broken is not None:
            raise StorageFailed(
                "The disk failed to keep what was written; this root is read-only until its disk was looked at and the "
                "server started again.",
                errno=errno.errorcode.get(self._broken.errno or 0, ""),
            ) from self._broken

    def check(self, key: str) -> None:
        """Raises:
        StorageFailed: a flush of this file failed before, or the whole store is not believed.
        """
        self.check_store()
        if key in self._doubted:
            raise StorageFailed(f"The disk did not keep the bytes of {key!r}; send them again.", errno="EIO")

    def lose(self, keys: list[str], error: OSError) -> None:
        """A flush of these files failed, unless there was only no handle left to begin it with."""
        if error.errno in (errno.EMFILE, errno.ENFILE):
            return
        self._doubted.update(keys)
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EINTR):
            self._broken = error

    def forget(self, key: str) -> None:
        """The file is gone."""
        self._doubted.discard(key)
