"""Where a numbered block lies in its file, when nobody has said how large the blocks are. Pure.

All blocks but the last have one size; the last may be shorter. So the largest size seen is that of all but the last, and every
block lies at its number times this size. Only a shorter, last block that came before any other was taken for one of the size it
has, and lies elsewhere once a larger one shows the size.
"""

from dataclasses import dataclass

from homestow.values.errors import BadRequest


@dataclass(frozen=True, slots=True)
class Layout:
    """What is known of a file's blocks.

    Attributes:
        whole: bytes of the file.
        regular: bytes of all blocks but the last; 0: none came yet.
        last: number and size of the one block that is shorter than `regular`; None: none such came.
        alone: number of the only block that came, None when there are none or several.
    """

    whole: int
    regular: int = 0
    last: tuple[int, int] | None = None
    alone: int | None = None


def add(layout: Layout, no: int, size: int) -> Layout:
    """The layout with one more block, or with one that comes again.

    A block that takes another size than before is refused, unless it is the only one.

    Raises:
        BadRequest: no file of this size has such a block beside those that came.
    """
    whole, regular = layout.whole, layout.regular
    if no < 0 or not 1 <= size <= whole or no >= whole:
        raise BadRequest(f"A file of {whole} bytes has no block {no} of {size} bytes.")
    if not regular or layout.alone == no:
        if (no + 1) * size > whole:
            raise BadRequest(f"Block {no} of {size} bytes would reach past the end of a file of {whole} bytes.")
        return Layout(whole, size, None, no)
    if layout.last is not None and layout.last[0] == no and size != layout.last[1]:
        raise BadRequest(f"Block {no} had {layout.last[1]} bytes before, not {size}.")
    if size == regular:
        if (no + 1) * size > whole:
            raise BadRequest(f"Block {no} of {size} bytes would reach past the end of a file of {whole} bytes.")
        return Layout(whole, regular, layout.last, None)
    if size < regular:
        if no * regular + size != whole:
            raise BadRequest(
                f"Block {no} has {size} bytes where others have {regular}; only the one that ends the file may be shorter."
            )
        return Layout(whole, regular, (no, size), None)
    alone = layout.alone
    if alone is None or alone * size + regular != whole or (no + 1) * size > whole:
        raise BadRequest(f"Block {no} has {size} bytes where others have {regular}; all but the last are equal.")
    return Layout(whole, size, (alone, regular), None)


def offset_of(layout: Layout, no: int) -> int:
    """Where a block of this layout begins, in bytes."""
    return no * layout.regular
