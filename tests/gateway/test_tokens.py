import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tokens import Purpose, open_token, seal

SECRET = b"k" * 32
NUMBERS = st.integers(min_value=0, max_value=2**63 - 1)


def opened(
    token: str, *, purpose: Purpose = Purpose.FEED_CURSOR, bound_to: str = "population"
) -> tuple[int, int] | None:
    return open_token(token, secret=SECRET, purpose=purpose, bound_to=bound_to)


def sealed(numbers: tuple[int, int] = (1, 42)) -> str:
    return seal(numbers, secret=SECRET, purpose=Purpose.FEED_CURSOR, bound_to="population")


@given(NUMBERS, NUMBERS)
def test_what_was_sealed_opens_again(first: int, second: int) -> None:
    assert opened(sealed((first, second))) == (first, second)


def test_a_token_fits_into_a_url_as_it_is() -> None:
    assert sealed().replace("-", "").replace("_", "").isalnum()


def test_a_token_of_one_holder_is_none_of_another() -> None:
    assert opened(sealed(), bound_to="social-insurance") is None


def test_a_token_of_one_purpose_is_none_of_another() -> None:
    assert opened(sealed(), purpose=Purpose.FINDINGS_PAGE) is None


def test_a_token_of_another_database_is_none_of_ours() -> None:
    assert open_token(sealed(), secret=b"x" * 32, purpose=Purpose.FEED_CURSOR, bound_to="population") is None


def test_no_bit_of_a_token_can_be_changed() -> None:
    whole = base64.urlsafe_b64decode(sealed() + "==")
    for bit in range(len(whole) * 8):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        assert opened(base64.urlsafe_b64encode(changed).decode().rstrip("=")) is None


@pytest.mark.parametrize("text", ["", "A", "not base64!", "AQ", "á" * 10, "A" * 10_000, "\x00"])
def test_any_other_text_is_no_token(text: str) -> None:
    assert opened(text) is None
