"""Names that come from outside, made fit to be shown: file names and column names may hold anything."""

LONGEST = 120
_ELLIPSIS = "…"


def plain(name: str, *, longest: int = LONGEST) -> str:
    """A name on one line: what cannot be printed is escaped, what is too long loses its middle."""
    escaped = "".join(one if one.isprintable() else _escape(one) for one in name)
    if len(escaped) <= longest:
        return escaped
    half = (longest - len(_ELLIPSIS)) // 2
    return f"{escaped[:half]}{_ELLIPSIS}{escaped[-half:]}"


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")
