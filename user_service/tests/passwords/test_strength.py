"""The estimated strength of passwords: its result, and its time for any text."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from user_service.passwords.guesses import PIECE, estimate
from user_service.passwords.strength import LONGEST, SHORTEST, Strength, assess

SIGNS = "4@8({[<3690$5!1|7+%2"
LONGEST_JUDGEMENT = 0.5
"""Seconds of this thread's own time, for the worst text that is known. It takes 40 ms of a core of 2024."""


def judged(password: str) -> Strength:
    return assess(password, ["ada@example.com", "Ada Lovelace"])


@pytest.mark.parametrize(
    "password",
    [
        "qwertyuiop1234567890",
        "0987654321poiuytrewq",
        "1q2w3e4r5t6y7u8i9o0p",
        "!Q@W#E$R%T^Y&U*I(O)P",
        "!@#$%^&*()_+1234567890-=",
        "1qaz@WSX3edc$RFV",
        "!QAZ2wsx#EDC4rfv",
        "password1234567",
        "password0123456789",
        "iloveyou1234567890",
        "sunshine0123456789!",
        "baseball9876543210",
    ],
)
def test_keyboard_paths_and_common_words_with_digits_or_signs_are_weak(password: str) -> None:
    strength = judged(password)
    assert not strength.acceptable, strength
    assert strength.warning
    assert strength.suggestions


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "staple orbit lantern",
        "xK9#mQ2$vL7!",
        "a3f9c27d81e64b05",
        "V3ry$tr0ng!P4ss",
        SIGNS[::-1] + SIGNS,
    ],
)
def test_passwords_that_are_hard_to_guess_are_strong(password: str) -> None:
    assert judged(password).score == 4


@given(
    st.text(st.characters(codec="utf-8"), min_size=PIECE, max_size=PIECE),
    st.sampled_from(["a", "password", "12345678"]),
)
def test_padding_does_not_weaken_a_strong_password(piece: str, padding: str) -> None:
    alone, room = estimate(piece, []).guesses, LONGEST - PIECE
    assert estimate(piece + (padding * room)[:room], []).guesses >= alone
    assert estimate((padding * PIECE)[:PIECE] + piece, []).guesses >= alone


@given(st.text(st.sampled_from(SIGNS + "aeio qw"), min_size=SHORTEST, max_size=LONGEST))
def test_every_text_gets_an_estimate(password: str) -> None:
    assert 0 <= judged(password).score <= 4


def test_no_text_takes_long_to_estimate() -> None:
    judged("loads the lists of words")
    chance = random.Random(2026)
    alphabets = (SIGNS, SIGNS + "abcdefghij", "!@$|17+5{[(<", "aA4@1!", " 1!a", "a")
    texts = ["".join(chance.choices(alphabet, k=LONGEST)) for alphabet in alphabets for _ in range(5)]
    for text in [*texts, ("1!|4@{[<(69$57+" * 9)[:LONGEST]]:
        began = time.thread_time()
        judged(text)
        assert time.thread_time() - began < LONGEST_JUDGEMENT, text
