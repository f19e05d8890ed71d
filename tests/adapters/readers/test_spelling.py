"""Text in another charset than the declared one is found, and text in the declared one never is."""

import numpy as np
import pytest

from adapters.declaration import Charset, FileFormat
from adapters.readers.charsets import LEGACY, encode
from adapters.readers.lines import line_extents
from adapters.readers.spelling import strange_letters, syllables
from adapters.reference.units import load_units
from tests.adapters.readers.reading import flags, read

PEOPLE = [
    "Nguyễn Thị Ánh Tuyết, Tổ 5, đường Trần Hưng Đạo",
    "LÝ LÁO TẢ, THÔN TẢ CHẢI, XÃ TẢ PHÌN",
    "Đặng Văn Đức, số 12, ngõ 45, phường Cống Vị",
    "H'Hen Niê, buôn Ea Sút, xã Cư M'gar",
    "Thạch Sa Rươl, ấp Bà Mỹ, xã Hưng Mỹ",
    "Y Moan Ênuôl, buôn Dhung, xã Cư Êbur",
    "Vừ Mí Sính, thôn Séo Lủng, xã Lũng Cú",
    "Kpă Hơ Đuyên, plei Rbai, xã Ia Piar",
]


def _misread(texts: list[str], declared: Charset, written: Charset) -> list[int]:
    body = b"\n".join(encode(text, written) for text in texts)
    return strange_letters(np.frombuffer(body, np.uint8), line_extents(body), declared).wrong.tolist()


@pytest.mark.parametrize("charset", LEGACY)
def test_text_in_the_declared_charset_is_left_alone(charset: Charset) -> None:
    units = load_units().units["name"].to_pylist()

    assert _misread([*PEOPLE, *units], charset, charset) == []


@pytest.mark.parametrize("written", LEGACY)
@pytest.mark.parametrize("declared", LEGACY)
def test_text_in_another_charset_is_found(declared: Charset, written: Charset) -> None:
    due = [] if declared is written else list(range(3))

    assert _misread(PEOPLE[:3], declared, written) == due


@pytest.mark.parametrize("charset", LEGACY)
def test_no_syllable_of_vietnamese_is_strange(charset: Charset) -> None:
    body = encode("\n".join(syllables()), charset)

    found = strange_letters(np.frombuffer(body, np.uint8), line_extents(body), charset)

    assert found.wrong.tolist() == found.doubtful.tolist() == []


def test_one_strange_word_is_a_doubt() -> None:
    body = encode("Nguyễn Văn A", Charset.TCVN3) + b"\n" + encode("Nguyễn", Charset.VNI)

    found = strange_letters(np.frombuffer(body, np.uint8), line_extents(body), Charset.TCVN3)

    assert (found.wrong.tolist(), found.doubtful.tolist()) == ([], [1])
    assert found.doubtful_at.tolist() == [len(body) - 3]


def test_row_is_flagged_with_the_first_byte_that_shows_it() -> None:
    payload = b"A,B\n1," + encode("Nguyễn Văn Bình", Charset.TCVN3) + b"\n2," + b"Nguye\xe3n Va\xean B\xecnh\n"

    raw = read(payload, FileFormat.CSV, charset=Charset.TCVN3)

    assert flags(raw) == {"LEGACY_ENCODING": [1]}
    assert raw.flags[0].seen.to_pylist() == [f"byte offset {payload.index(bytes([0x65, 0xE3]))}"]


@pytest.mark.parametrize("written", LEGACY)
@pytest.mark.parametrize("declared", LEGACY)
@pytest.mark.parametrize("separator", [b";", b"\t", b'","', b"   "])
def test_one_field_in_another_charset_does_not_hide_among_many(
    declared: Charset, written: Charset, separator: bytes
) -> None:
    much = [encode(text, declared) for text in PEOPLE]
    body = separator.join([*much[:4], encode("Nguyễn Thị Ánh Tuyết", written), *much[4:]])

    found = strange_letters(np.frombuffer(body, np.uint8), line_extents(body), declared)

    assert found.wrong.tolist() == ([] if declared is written else [0])
    if declared is not written:
        assert body.index(encode("Nguyễn Thị Ánh Tuyết", written)) <= found.wrong_at[0]
