"""A table as text in a fixed-width font."""

from bots.markdown.letters import width
from bots.markdown.nodes import Align, Inline, Link, Mark, Row, Table, flat

MAX_COLUMNS = 48
"""A phone shows about so many columns; a wider table is easier to read as pairs."""


def grid(table: Table) -> str | None:
    """The table with aligned columns, or None if it is too wide or has links to follow."""
    if _has_link(table):
        return None
    head, *rows = ([_line(cell) for cell in row] for row in (table.head, *table.rows))
    widths = [max(width(row[column]) for row in (head, *rows)) for column in range(len(head))]
    if sum(widths) + 3 * (len(widths) - 1) > MAX_COLUMNS:
        return None
    rule = "-+-".join("-" * columns for columns in widths)
    lines = [_row(row, widths, table.aligns) for row in (head, *rows)]
    return "\n".join((lines[0], rule, *lines[1:]))


def separator(key: str) -> str:
    """What stands between a key and its value, in the width of the key's script."""
    return ": " if key.isascii() else "："


def _line(cell: tuple[Inline, ...]) -> str:
    return " ".join(flat(cell).split())


def _row(cells: list[str], widths: list[int], aligns: tuple[Align, ...]) -> str:
    padded = (
        _pad(cell, columns - width(cell), align)
        for cell, columns, align in zip(cells, widths, aligns, strict=True)
    )
    return " | ".join(padded).rstrip()


def _pad(cell: str, missing: int, align: Align) -> str:
    match align:
        case "right":
            return " " * missing + cell
        case "center":
            return " " * (missing // 2) + cell + " " * (missing - missing // 2)
    return cell + " " * missing


def _has_link(table: Table) -> bool:
    rows: tuple[Row, ...] = (table.head, *table.rows)
    return any(_links(cell) for row in rows for cell in row)


def _links(inlines: tuple[Inline, ...]) -> bool:
    return any(
        isinstance(inline, Link) or (isinstance(inline, Mark) and _links(inline.children))
        for inline in inlines
    )
