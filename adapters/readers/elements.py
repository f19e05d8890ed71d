"""Where the record elements of an XML file lie, found without parsing it, block by block."""

import re

_COMMENT, _CDATA, _INSTRUCTION = b"<!--", b"<![CDATA[", b"<?"
_CLOSING = {_COMMENT: b"-->", _CDATA: b"]]>", _INSTRUCTION: b"?>"}
_TAG_END = re.compile(rb"""(?:[^<>"']|"[^"<]*+"|'[^'<]*+')*+>""")
_PASSIVE = re.compile(rb"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>", re.DOTALL)
_NAME = re.compile(rb"<([^\s<>/!?]++)")


class ElementScanner:
    """Finds the outermost elements of one local name in a text that grows; comments and CDATA hold none."""

    def __init__(self, name: bytes) -> None:
        self.spans: list[tuple[int, int]] = []
        self._token = re.compile(rb"<!--|<!\[CDATA\[|<\?|</?(?:[^\s<>/!?:]++:)?" + re.escape(name) + rb"(?=[\s/>])")
        self._place = 0
        self._depth = 0
        self._begun = 0

    def scan(self, body: bytes, *, most: int | None = None) -> None:
        """Adds the spans of `body` that lie after what was scanned before; stops after `most` of them."""
        while most is None or len(self.spans) < most:
            token = self._token.search(body, self._place)
            if token is None:
                # A token may be cut off at the end of the text.
                self._place = max(self._place, body.rfind(b"<"))
                return
            end = self._end(token, body)
            if end < 0:
                self._place = token.start()
                return
            self._place = end
            if token[0] not in _CLOSING:
                self._tag(token, body, end)

    def forget(self, count: int, length: int) -> None:
        """Drops the first spans, and as many bytes from the beginning of the text."""
        self.spans = [(start - length, end - length) for start, end in self.spans[count:]]
        self._place -= length
        self._begun -= length

    @staticmethod
    def _end(token: re.Match[bytes], body: bytes) -> int:
        """Where a token ends; −1 where the text ends before."""
        closing = _CLOSING.get(token[0])
        if closing is not None:
            found = body.find(closing, token.end())
            return found + len(closing) if found >= 0 else -1
        tag = _TAG_END.match(body, token.end())
        return tag.end() if tag else -1

    def _tag(self, token: re.Match[bytes], body: bytes, end: int) -> None:
        if token[0].startswith(b"</"):
            self._depth = max(0, self._depth - 1)
        else:
            if self._depth == 0:
                self._begun = token.start()
            self._depth += body[end - 2 : end] != b"/>"
            if self._depth:
                return
        if self._begun >= 0 and self._depth == 0:
            self.spans.append((self._begun, end))
            self._begun = -1


def root_name(head: bytes) -> bytes:
    """The name of the document element, with its prefix; empty where the text before the first record has none."""
    found = _NAME.search(_PASSIVE.sub(b"", head))
    return found[1] if found else b""
