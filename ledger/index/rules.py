"""The numbers of `rail-match/1`. A change to one of them changes verdicts or index rows: give it a new version.

Lengths are weights in fifths of a word, so that all scripts share one stream of units and one set of bounds: a word is
5, a character of a script written without spaces 4 (Han, kana) or 1 (Thai, Lao, Khmer, Burmese ...). SPEC.md section 2.
"""

import unicodedata
from typing import Final

RULES: Final = "rail-match/1"
# Index rows depend on the Unicode data of the Python that made them: rows of other data are rebuilt, not mixed.
RULES_WITH_DATA: Final = f"{RULES} unicode/{unicodedata.unidata_version}"

WORD_WEIGHT: Final = 5
WIDE_WEIGHT: Final = 4
DENSE_WEIGHT: Final = 1

SHINGLE_WEIGHT: Final = 5 * WORD_WEIGHT  # k = 5 words, 7 Han characters, 25 Thai letters
WINDOW_SHINGLES: Final = 4  # w = 4: of 4 neighbouring shingles, at least one is kept
RUN_WEIGHT_MIN: Final = 8 * WORD_WEIGHT  # t = k + w - 1 = 8 words: a shared run of this weight shares a fingerprint
# What a record needs in one run before any of its runs count; of a short text half is enough. Runs of 8 words occur by
# chance in 3 % of book pages, of 16 words in none of 400: SPEC.md section 6.
EVIDENCE_WEIGHT: Final = 16 * WORD_WEIGHT

TEXT_BYTES_MAX: Final = 1_000_000  # of the pasted text's UTF-8; a longer one is not looked at
CHECKED_WEIGHT_MAX: Final = 20_000 * WORD_WEIGHT  # of the pasted text, in the search for excerpts

POSTINGS_PER_HASH_MAX: Final = 64  # earliest records first; more makes a phrase common, not telling
POSTINGS_MAX: Final = 64_000  # read for one verdict
PLACES_PER_HASH_MAX: Final = 4  # in the pasted text, the first ones; they find the record, its runs find the rest
CANDIDATES_MAX: Final = 48  # records whose text is loaded and compared for one verdict
WORK_MAX: Final = 1_000_000  # code points of those records, and states of the automaton each time it is used
EXACT_RECORDS_MAX: Final = 16  # earliest records with the same text that a verdict names
TWIN_RECORDS_MAX: Final = 8  # records are compared up to this number even if others cover the same words
