"""Filter an answer while it is being written."""

from core.moderation.hits import Found, Hit, masked, until_refused
from core.moderation.matcher import Matcher, Scan
from core.moderation.rules import GAP


class StreamFilter:
    """Lets text through as soon as its verdict is settled. One for each answer.

    Whatever the chunks, all that `feed` and `flush` return together is what `Matcher.filter` makes
    of the whole text. At most `Matcher.reach` characters are held back, and only they are looked at
    again with the next chunk.
    """

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher
        self._choice = matcher.choice()
        self._text = ""  # what is held, and before it the last GAP characters that are not
        self._held = 0
        self._offset = 0
        self._masked_until = 0
        self._hits: list[Hit] = []
        self._refused = False

    @property
    def refused(self) -> bool:
        """Whether a word was refused; nothing is shown from there on."""
        return self._refused

    @property
    def hits(self) -> tuple[Hit, ...]:
        """The hits so far, with offsets in the whole answer."""
        return tuple(self._hits)

    @property
    def held(self) -> int:
        """How many characters are held back."""
        return len(self._text) - self._held

    def feed(self, text: str) -> str:
        """Take the next chunk; return what may be shown now, perhaps nothing."""
        if self._refused or not text:
            return ""
        self._text += text
        return self._advance(final=False)

    def flush(self) -> str:
        """End the answer; return the rest of it. Feed nothing afterwards."""
        return "" if self._refused else self._advance(final=True)

    def _advance(self, *, final: bool) -> str:
        scan = self._matcher.scan(self._text, self._held, final=final)
        end, masks = self._decide(scan) if scan.found else (scan.settled, [])
        shown = self._text[self._held : end]
        begin = self._offset + self._held
        if masks or self._masked_until > begin:
            spans = [(begin, self._masked_until), *masks]
            shown = masked(shown, [(start - begin, stop - begin) for start, stop in spans])
            self._masked_until = spans[-1][1]
        context = max(0, end - GAP)
        self._text = "" if self._refused else self._text[context:]
        self._held = 0 if self._refused else end - context
        self._offset += context
        return shown

    def _decide(self, scan: Scan) -> tuple[int, list[tuple[int, int]]]:
        """Settle what was found: up to where text may be shown, and what of it is masked."""
        finds = [
            Found(find.start + self._offset, find.end + self._offset, find.term)
            for find in scan.found
        ]
        hits, self._refused = until_refused(self._choice.take(finds))
        self._hits += hits
        end = hits[-1].start - self._offset if self._refused else scan.settled
        return end, [(hit.start, hit.end) for hit in hits if hit.action == "mask"]
