"""The numbers of `rail-match/2`. A change to one of them changes verdicts or index rows: give it a new version.

Lengths are weights in fifths of a word, so that all scripts share one stream of units and one set of bounds: a word is
5, a character of a script written without spaces 4 (Han, kana) or 1 (Thai, Lao, Khmer, Burmese ...). SPEC.md section 2.
"""

import unicodedata
from typing import Final

RULES: Final = "rail-match/2"
# Fingerprints stand in signed statements, by their root: their rules keep the version that they were made by.
FINGERPRINT_RULES: Final = "rail-match/1"
# Index rows depend on the Unicode data of the Python that made them: rows of other data are rebuilt, not mixed.
RULES_WITH_DATA: Final = f"{RULES} unicode/{unicodedata.unidata_version}"

WORD_WEIGHT: Final = 5
WIDE_WEIGHT: Final = 4
DENSE_WEIGHT: Final = 1

SHINGLE_WEIGHT: Final = 5 * WORD_WEIGHT  # k = 5 words, 7 Han characters, 25 Thai letters
WINDOW_SHINGLES: Final = 4  # w = 4: of 4 neighbouring shingles, at least one is kept
RUN_WEIGHT_MIN: Final = 8 * WORD_WEIGHT  # t = k + w - 1 = 8 words: a shared run of this weight shares a fingerprint
# What a record needs in one run before any of its runs count: so much, or nearly all of the text, or a run that tells
# (weight, and the weight of its terms that the record's prompt has not; see terms.weigher) in a text that is unlike the
# record around it. SPEC.md section 8.
EXCERPT_WEIGHT: Final = 48 * WORD_WEIGHT
NEARLY_ALL_PERMILLE: Final = 900
TELLING_RUNS: Final = ((16 * WORD_WEIGHT, 40_000), (24 * WORD_WEIGHT, 20_000))
UNLIKE_PERMILLE: Final = 150  # of the weight of the terms around a run, at most so much is around it in the record
AROUND_UNITS_MAX: Final = 200  # before a run and after it
PRIVATE_WEIGHT: Final = 16 * WORD_WEIGHT  # in one run, of a shorter text half: a private lookup sees no texts
# A phrase that so many different outputs or registrants have, if it is shorter than that, shows no run in particular.
COMMON_HOLDERS: Final = 8
COMMON_WEIGHT_MAX: Final = 32 * WORD_WEIGHT

TEXT_BYTES_MAX: Final = 1_000_000  # of the pasted text's UTF-8; a longer one is not looked at
CHECKED_WEIGHT_MAX: Final = 20_000 * WORD_WEIGHT  # of the pasted text, in the search for excerpts

POSTINGS_PER_HASH_MAX: Final = 64  # earliest records first; more makes a phrase common, not telling
POSTINGS_MAX: Final = 64_000  # read for one verdict
PLACES_PER_HASH_MAX: Final = 4  # in the pasted text, the first ones; they find the record, its runs find the rest
CANDIDATES_MAX: Final = 48  # records whose text is loaded and compared for one verdict
WORK_MAX: Final = 1_000_000  # code points of those records, and states of the automaton each time it is used
EXACT_RECORDS_MAX: Final = 16  # earliest records with the same text that a verdict names
TWIN_RECORDS_MAX: Final = 8  # records are compared up to this number even if others cover the same words

# Terms: SPEC.md section 5.
TERM_WINDOW_WEIGHT: Final = 50 * WORD_WEIGHT  # of every 50 words of an output
TERMS_PER_WINDOW: Final = 8  # the rarest terms, which it is found by
PRIOR_TEXTS: Final = 2_000  # as many texts with common words as a new index begins with

# The search for edited and reworded copies: SPEC.md section 6.
TERMS_MAX: Final = 40  # looked up for one window, the rarest first
TERMS_MIN: Final = 4  # of them, however many postings they have
TERM_POSTINGS_MAX: Final = 20_000  # expected for one window: beyond them no more terms are looked up
BY_TERMS_MAX: Final = 16  # records compared with a window, by weight of shared terms
COMPARED_MAX: Final = 24  # with those that share most fingerprints with the text
COHORT: Final = 10  # the window's resemblance to its tenth-best record is what it has in common with others anyway
WINDOW_WEIGHT: Final = 200 * WORD_WEIGHT  # windows of a text of more than WHOLE_WEIGHT_MAX; they begin at half of it
WHOLE_WEIGHT_MAX: Final = 600 * WORD_WEIGHT  # a text up to this length is a window itself
WINDOWS_MAX: Final = 16  # of one text: about 1,700 words; the rest is not searched for edited and reworded copies
EDITED_WEIGHT_MIN: Final = 16 * WORD_WEIGHT  # shortest text that may be called an edited copy
RELATIVE_TERMS_MIN: Final = 8  # different terms that a copy must have: a few words over and over agree by themselves
REWORDED_WEIGHT_MIN: Final = 50 * WORD_WEIGHT  # shortest text that may be called reworded
LOADED_AT_ONCE: Final = 8  # records: a few are in memory beside those that are compared
LOADED_CHARS_MAX: Final = 1_500_000  # code points of outputs and prompts that are compared for one verdict
