"""A model's tokenizer, told apart into text, which is never control, and marks, which always are.

`tokenizer.json` declares added tokens: those of the chat format (`<|im_start|>`) and others that
the model was trained on (`<tool_call>`). A tokenizer that knows them turns their letters into
control wherever they stand, in a customer's message too. What `tokenizers` offers against that,
`encode_special_tokens`, passes over the added tokens that are not called special. So texts are
encoded by an instance from which all added tokens are removed, and marks are placed by their id.
"""

from array import array
from collections import OrderedDict
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from threading import Lock

from tokenizers import Tokenizer

REMEMBERED_LETTERS = 4_000_000
"""Of the texts that were encoded last; with their tokens some 20 MB."""


class Mark(Enum):
    """A token that steers the model; it cannot be written as text."""

    START = "<|im_start|>"
    END = "<|im_end|>"
    END_OF_TEXT = "<|endoftext|>"
    CALL = "<tool_call>"
    CALL_END = "</tool_call>"


Segment = str | Mark
"""A stretch of text, or a mark between two of them."""


class TokenizerError(Exception):
    """The tokenizer cannot be used for this chat format; the message says why."""


class ChatTokenizer:
    """Encodes segments to token ids, so that no text becomes a mark. Safe for use by threads."""

    def __init__(self, description: str) -> None:
        """Build it from the text of a `tokenizer.json`; raises TokenizerError."""
        try:
            self._whole = Tokenizer.from_str(description)
        except Exception as error:  # tokenizers raises bare Exception for a file it cannot read
            raise TokenizerError(f"not a tokenizer.json: {error}") from error
        declared = self._whole.get_added_tokens_decoder()
        added = {token.content: number for number, token in declared.items()}
        self._silent = frozenset(number for number, token in declared.items() if token.special)
        self._plain = _without_added(self._whole)
        self._encoded = _Encoded()
        self._controls = frozenset(added.values())
        if missing := [mark.value for mark in Mark if mark.value not in added]:
            raise TokenizerError(f"the tokenizer has no {', '.join(missing)}")
        self._ids = {mark: added[mark.value] for mark in Mark}
        if leaks := [text for text in added if not self._controls.isdisjoint(self.encode(text))]:
            raise TokenizerError(f"text can become a control token: {', '.join(leaks)}")

    @property
    def vocabulary(self) -> int:
        """How many token ids there are; a model may have more, without meaning."""
        return self._whole.get_vocab_size()

    @property
    def controls(self) -> frozenset[int]:
        """The ids of all added tokens."""
        return self._controls

    @property
    def silent(self) -> frozenset[int]:
        """The ids of added tokens that are no text in an answer; those of tools are."""
        return self._silent

    def id_of(self, mark: Mark) -> int:
        """Return a mark's token id."""
        return self._ids[mark]

    def encode(self, *segments: Segment) -> list[int]:
        """Encode segments; neighbouring texts are encoded as one text."""
        ids: list[int] = []
        for segment in _join(segments):
            ids += [self._ids[segment]] if isinstance(segment, Mark) else self._encode(segment)
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of token ids, marks included; half characters become U+FFFD."""
        return self._whole.decode(list(ids), skip_special_tokens=False)

    def piece(self, token: int) -> str | None:
        """Return a token as the vocabulary writes it; None for an id without a token."""
        return self._whole.id_to_token(token)

    def describe(self) -> str:
        """Return the text of a `tokenizer.json` of the whole tokenizer."""
        return self._whole.to_str()

    def _encode(self, text: str) -> list[int]:
        if (known := self._encoded.get(text)) is not None:
            return known
        # A lone surrogate, which JSON can carry, becomes a question mark.
        clean = text.encode(errors="replace").decode()
        ids = self._plain.encode(clean, add_special_tokens=False).ids
        self._encoded.put(text, ids)
        return ids


class _Encoded:
    """Texts that were encoded lately: a conversation comes again with every question."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, array[int]] = OrderedDict()
        self._letters = 0
        self._lock = Lock()

    def get(self, text: str) -> list[int] | None:
        with self._lock:
            if (ids := self._ids.get(text)) is None:
                return None
            self._ids.move_to_end(text)
        return ids.tolist()

    def put(self, text: str, ids: list[int]) -> None:
        with self._lock:
            if text not in self._ids:
                self._letters += len(text)
            self._ids[text] = array("I", ids)
            while self._letters > REMEMBERED_LETTERS:
                oldest, _ = self._ids.popitem(last=False)
                self._letters -= len(oldest)


def load_tokenizer(folder: Path) -> ChatTokenizer:
    """Read the `tokenizer.json` of a model folder; raises TokenizerError."""
    try:
        return ChatTokenizer((folder / "tokenizer.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise TokenizerError(f"cannot read tokenizer.json: {error.strerror}") from error


def _without_added(whole: Tokenizer) -> Tokenizer:
    """Make a tokenizer with the same vocabulary that knows no added tokens."""
    plain = Tokenizer(whole.model)
    if whole.normalizer is not None:
        plain.normalizer = whole.normalizer
    if whole.pre_tokenizer is not None:
        plain.pre_tokenizer = whole.pre_tokenizer
    return plain


def _join(segments: Iterable[Segment]) -> Iterable[Segment]:
    """Put neighbouring texts together: where they meet they may share a token."""
    text = ""
    for segment in segments:
        if isinstance(segment, str):
            text += segment
            continue
        if text:
            yield text
            text = ""
        yield segment
    if text:
        yield text
