"""Bytes of a token, from the letters that a byte-level vocabulary writes it with."""

from functools import cache


def token_bytes(piece: str | None) -> bytes:
    """Return the bytes of a vocabulary entry; of an added token its letters in UTF-8."""
    if piece is None:
        return b""
    table = letters_of_bytes()
    try:
        return bytes([table[letter] for letter in piece])
    except KeyError:
        return piece.encode()


@cache
def letters_of_bytes() -> dict[str, int]:
    """Return GPT-2's alphabet: printable bytes stand for themselves, others follow after 255."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = {chr(byte): byte for byte in printable}
    return letters | {chr(256 + number): byte for number, byte in enumerate(others)}
