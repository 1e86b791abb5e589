"""Payloads with something out of place, the same for the same dice."""

import json
from random import Random
from typing import Any

ODD: list[Any] = [None, True, -1, 10**30, 1e308, "", "x" * 300, "\ud800", [], {}, [[]]]
ODD_TEXTS = ["", "\x00", "x" * 5000, "]]>", "&a;", "<b>", "-1", "9" * 40, "é\u202e", "<![CDATA["]


def mutated(node: Any, dice: Random) -> Any:
    """Return the tree with one of its parts replaced or gone."""
    if not isinstance(node, dict | list) or not node or not dice.randrange(4):
        return dice.choice(ODD)
    copy = dict(node) if isinstance(node, dict) else list(node)
    key = dice.choice(list(copy) if isinstance(copy, dict) else range(len(copy)))
    if dice.randrange(5):
        copy[key] = mutated(copy[key], dice)
    else:
        del copy[key]
    return copy


def broken(text: bytes, dice: Random) -> bytes:
    """Return bytes of which some are others or gone."""
    place = dice.randrange(len(text))
    return dice.choice(
        [
            dice.randbytes(dice.randrange(60)),
            text[:place],
            text[:place] + dice.randbytes(1) + text[place + 1 :],
            text[:place] + text[place + 1 :],
        ]
    )


def mutated_json(tree: Any, dice: Random) -> bytes:
    """Return a body that was once the JSON of a tree."""
    if not dice.randrange(3):
        return broken(json.dumps(tree).encode(), dice)
    return json.dumps(mutated(tree, dice)).encode()


def mutated_fields(fields: dict[str, str], dice: Random) -> dict[str, str]:
    """Return fields of which one is odd, gone or somewhere else."""
    copy = dict(fields)
    name = dice.choice(list(copy))
    match dice.randrange(4):
        case 0:
            del copy[name]
        case 1:
            copy[name] = copy[dice.choice(list(copy))]
        case _:
            copy[name] = dice.choice(ODD_TEXTS)
    return copy
