"""Text to ids by byte-pair merges, and the bytes of each id.

Of the library only the merge rule is used, which is the same in all its versions: it gets single words, cut by us, in
an alphabet of bytes (one character for each), or a whole text in characters, where those without a piece become the
pieces of their bytes. It is built when a text is encoded for the first time; decoding, and so replay, does without.
"""

import re
import threading
from collections.abc import Callable

import tokenizers

from inference.bpe_data import WHOLE, BytePairs
from inference.bpe_words import cut_words
from inference.errors import TokenizerError
from inference.pieces import PieceType
from inference.sentencepiece_model import SPACE, byte_piece

_BY_TYPE = (PieceType.CONTROL, PieceType.UNUSED, PieceType.USER_DEFINED, PieceType.BYTE)
Merge = Callable[[str], list[tokenizers.Token]]


class BytePairCodec:
    """A byte-pair vocabulary; `data` is an encoded BytePairs. Raises TokenizerError as that does."""

    def __init__(self, data: bytes) -> None:
        pairs = BytePairs.decode(data)
        self._pairs = pairs
        self._whole = pairs.pre_tokenizer == WHOLE
        self.space_before = pairs.space_before
        controls, unused, own, byte_ids = map(pairs.ids, _BY_TYPE)
        table = list(pairs.pieces)
        for id in (*controls, *unused):
            table[id] = b""
        self.pieces = table
        self.controls = {pairs.pieces[id].decode(): id for id in controls}
        self._bytes = {pairs.pieces[id][0]: id for id in byte_ids}
        self._byte_ids = frozenset(byte_ids)
        # What is found in a text before anything is merged.
        self._own = {pairs.pieces[id].decode(): [id] for id in own}
        if self._whole:  # the makers of such vocabularies took this character for a space; it is not one
            self._own.setdefault(SPACE, [self._bytes[value] for value in SPACE.encode()])
        longest_first = sorted(self._own, key=len, reverse=True)
        self._own_pattern = re.compile("(" + "|".join(map(re.escape, longest_first)) + ")") if self._own else None
        self._merge: Merge | None = None
        self._building = threading.Lock()

    def encode(self, text: str, beginning: bool) -> list[int]:
        """Ids of a text; at a `beginning` after the space that the vocabulary puts there."""
        if beginning and self.space_before and text:
            text = " " + text
        parts = self._own_pattern.split(text) if self._own_pattern else [text]
        merge = self._merge or self._build()
        known: dict[str, list[int]] = {}
        ids: list[int] = []
        for index, part in enumerate(parts):
            if index % 2:
                ids += self._own[part]
                continue
            for word in [part][: len(part)] if self._whole else cut_words(part, self._pairs.pre_tokenizer):
                if word not in known:
                    symbols = word if self._whole else word.encode().decode("latin-1")
                    known[word] = [token.id for token in merge(symbols)]
                ids += known[word]
        return ids

    def opens_with_space(self, id: int) -> bool:
        """Whether the id may hold the space that was put before a text."""
        return self.pieces[id][:1] == b" " and id not in self._byte_ids

    def _build(self) -> Merge:
        pairs = self._pairs
        with self._building:
            if self._merge is None:
                alphabet = "utf-8" if self._whole else "latin-1"
                names = {id: pairs.pieces[id].decode(alphabet) for id in pairs.ids(PieceType.NORMAL)}
                known = {name: id for id, name in names.items()}
                known |= {byte_piece(value): id for value, id in self._bytes.items()}
                merges = [(names[left], names[right]) for left, right in pairs.merges.tolist()]
                try:
                    model = tokenizers.models.BPE(
                        known, merges, byte_fallback=self._whole, ignore_merges=pairs.ignore_merges
                    )
                except Exception as error:  # the library raises nothing narrower
                    raise TokenizerError("vocabulary_damaged", f"vocabulary: it does not load: {error}") from None
                self._merge = model.tokenize
        return self._merge
