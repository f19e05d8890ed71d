"""Charsets: what is written in one is read from it, and what it has no letter for is found where it lies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.declaration import Charset
from adapters.readers.charsets import LEGACY, as_utf8, encode, letters, looks_legacy, undefined

LETTERS = sorted(letters(Charset.VNI))
each_charset = pytest.mark.parametrize("charset", LEGACY)


def _undefined(body: bytes, charset: Charset) -> list[int]:
    return undefined(np.frombuffer(body, np.uint8), charset).tolist()  # type: ignore[no-any-return]


def words_of(charset: Charset) -> st.SearchStrategy[str]:
    """Text as it is written: a letter with marks stands among plain ones."""
    marked = st.sampled_from(sorted(letters(charset)))
    word = st.tuples(st.sampled_from("bdghklmnpqrstvx"), marked, st.sampled_from(["", "n", "ng", "m", "t"]))
    return st.lists(word.map("".join), max_size=8).map(" ".join)


@each_charset
def test_every_letter_is_written_and_read(charset: Charset) -> None:
    for letter in letters(charset):
        body = encode(f"x{letter}n", charset)

        assert _undefined(body, charset) == []
        assert as_utf8(body, charset).decode() == f"x{letter}n"
    assert len(letters(charset)) == (74 if charset is Charset.TCVN3 else 134)


@each_charset
def test_any_sequence_of_letters_is_read_in_one_way(charset: Charset) -> None:
    own = sorted(letters(charset))
    pairs = "".join(first + second for first in own for second in own)

    assert as_utf8(encode(pairs, charset), charset).decode() == pairs


@settings(max_examples=60)
@given(st.data())
@each_charset
def test_text_is_written_and_read(charset: Charset, data: st.DataObject) -> None:
    text = data.draw(words_of(charset))

    body = encode(text, charset)

    assert _undefined(body, charset) == []
    assert as_utf8(body, charset).decode() == text


@pytest.mark.parametrize(
    ("charset", "text", "body"),
    [
        (Charset.VNI, "Kỷ niệm ở Mỹ Tho", b"Ky\xfb nie\xe4m \xf4\xfb My\xf5 Tho"),
        (Charset.VNI, "ĐƯỜNG TRƯỜNG SƠN", b"\xd1\xd6\xd4\xd8NG TR\xd6\xd4\xd8NG S\xd4N"),
        (Charset.VNI, "Lý Thị Ỵ", b"Ly\xf9 Th\xf2 \xce"),
        (Charset.TCVN3, "Nguyễn Thị ánh", b"Nguy\xd4n Th\xde \xb8nh"),
        (Charset.VISCII, "ẲẴẪỶỸỴ", b"\x02\x05\x06\x14\x19\x1e"),
        (Charset.VISCII, "Nguyễn Đức Thủy", b"Nguy\xadn \xd0\xd1c Th\xfcy"),
    ],
)
def test_known_text_has_its_known_bytes(charset: Charset, text: str, body: bytes) -> None:
    assert encode(text, charset) == body
    assert as_utf8(body, charset).decode() == text


@pytest.mark.parametrize(
    ("charset", "body", "places"),
    [
        (Charset.TCVN3, b"ab\x80c", [2]),
        (Charset.VNI, b"b\xf9n", [1]),  # a mark without a letter
        (Charset.VNI, b"\xf9an", [0]),
        (Charset.VNI, b"a\xf9\xf9", [2]),
        (Charset.VNI, b"A\xf9", [1]),  # a small mark on a capital
        (Charset.VNI, b"a\xa5", [1]),
        (Charset.VNI, "Lê".encode(), [1, 2]),
        (Charset.TCVN3, "Lê".encode(), [1, 2]),
        (Charset.VISCII, "Lê Đỗ".encode(), [1, 2, 4, 5, 6, 7, 8]),
        (Charset.VISCII, b"\x02\xff\x80", []),
    ],
)
def test_bytes_without_a_letter_are_found_where_they_lie(charset: Charset, body: bytes, places: list[int]) -> None:
    assert _undefined(body, charset) == places


@pytest.mark.parametrize(("charset", "text"), [(Charset.TCVN3, "ŏ"), (Charset.VNI, "ŏ"), (Charset.VISCII, "a\x02")])
def test_text_outside_a_charset_is_not_written(charset: Charset, text: str) -> None:
    with pytest.raises(UnicodeEncodeError):
        encode(text, charset)


@each_charset
@pytest.mark.parametrize("text", ["Nguyễn Đức Thủy", "Thôn Tả Chải, xã Tả Phìn", "Vừ A Sùng, chủ hộ"])
def test_legacy_text_is_recognised(charset: Charset, text: str) -> None:
    assert looks_legacy(b"1," + encode(text, charset) + b",02650")


@pytest.mark.parametrize(
    "record",
    [
        b"plain",
        "Nguyễn Đức".encode(),
        b"one\xe1",
        b"\xed\xa0\x80",
        b"\xff\xfe\xfd",
        "Nguyễn".encode() + b" \xd0\xd1c",
        b"\x80\x81\x82\x83",
    ],
)
def test_other_bytes_are_not_taken_for_legacy_text(record: bytes) -> None:
    assert not looks_legacy(record)
