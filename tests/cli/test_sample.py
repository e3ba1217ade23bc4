"""The auditor's draws: reproducible, distinct, in range, even."""

from collections import Counter
from hashlib import sha256
from itertools import islice

from web.audit.sample import draw_entries


def test_a_small_range_is_drawn_completely_and_without_repetition() -> None:
    assert sorted(draw_entries(5, 10, 40)) == list(range(10, 40))
    assert list(draw_entries(5, 7, 7)) == []
    assert list(draw_entries(5, 9, 7)) == []


def test_the_seed_decides_the_sample() -> None:
    first = list(islice(draw_entries(1, 0, 10**9), 50))
    assert first == list(islice(draw_entries(1, 0, 10**9), 50))
    assert first != list(islice(draw_entries(2, 0, 10**9), 50))


def test_a_draw_is_what_its_definition_says() -> None:
    digest = sha256(b"rail/audit-sample/v1\0" + (42).to_bytes(8, "big") + (0).to_bytes(8, "big")).digest()
    assert next(draw_entries(42, 100, 1_100)) == 100 + int.from_bytes(digest, "big") % 1_000


def test_every_entry_is_drawn_first_about_as_often() -> None:
    counts = Counter(next(draw_entries(seed, 0, 8)) for seed in range(4_000))
    assert len(counts) == 8
    assert all(400 < count < 600 for count in counts.values())
