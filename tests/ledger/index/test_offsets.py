"""Offset maps and UTF-16 offsets."""

from hypothesis import given
from hypothesis import strategies as st

from ledger.index.offsets import OffsetMap, Utf16Offsets


def test_linear_and_folded_pieces() -> None:
    offsets = OffsetMap()
    offsets.add(0, 0)
    offsets.add(5, 5, 2)
    offsets.add(6, 7)
    assert [offsets.source(i, i + 1) for i in range(4, 8)] == [(4, 5), (5, 7), (7, 8), (8, 9)]
    assert offsets.source(3, 7) == (3, 8)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_utf16_counts_code_units(text: str) -> None:
    offsets = Utf16Offsets(text)
    assert [offsets.of(i) for i in range(len(text) + 1)] == [
        len(text[:i].encode("utf-16-le")) // 2 for i in range(len(text) + 1)
    ]
