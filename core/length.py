"""Keep an answer near its persona's length limit without cutting a sentence."""

SENTENCE_ENDS = "。！？!?\n；;…"
OVERRUN = 1.25
"""How far past the limit a sentence may run on before it is cut."""


class LengthLimit:
    """Pass text on until the first sentence end past the limit."""

    def __init__(self, characters: int) -> None:
        self._left = characters
        self._overrun = int(characters * (OVERRUN - 1))
        self.reached = False

    def feed(self, text: str) -> str:
        """The part of `text` that still belongs to the answer; `reached` tells the end."""
        if self.reached:
            return ""
        if len(text) <= self._left:
            self._left -= len(text)
            return text
        head, tail = text[: self._left], text[self._left :]
        self._left = 0
        for index, character in enumerate(tail):
            if self._overrun <= 0 or _ends_sentence(tail, index):
                self.reached = True
                kept = tail[: index + 1] if character in SENTENCE_ENDS + "." else tail[:index] + "…"
                return head + kept
            self._overrun -= 1
        return text


def _ends_sentence(text: str, index: int) -> bool:
    if text[index] == ".":
        return text[index + 1 : index + 2].isspace()
    return text[index] in SENTENCE_ENDS
