"""Numbers in the words that people read, on either side."""


def counted(number: int, one: str, more: str | None = None) -> str:
    """1 file; 2,345 files. `more` is the word for several where it is not `one` with an s."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"
