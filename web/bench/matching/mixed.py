"""Human texts with a passage of a registered output in them: is it found, and is it marked from end to end?"""

import random
from collections.abc import Sequence
from typing import Any, Final

from web.bench.matching.methods import OurIndex
from web.bench.matching.sets import Query, Registered

SHARES: Final = (10, 25, 50)  # per cent of the words that are the passage
WORDS: Final = 240


def measure(ours: OurIndex, records: Sequence[Registered], humans: Sequence[Query], limit: int) -> list[dict[str, Any]]:
    """For each share: how many passages were found, and precision and recall of the marked characters."""
    rng = random.Random(5)
    frames = [query.text.split() for query in humans if len(query.text.split()) >= WORDS]
    sources = [record.output_text.split() for record in records if len(record.output_text.split()) >= WORDS * 2 // 3]
    rows: list[dict[str, Any]] = []
    for share in SHARES if frames and sources else ():
        size = WORDS * share // 100
        found = marked = right = wanted = 0
        for _ in range(limit):
            frame, source = rng.choice(frames), rng.choice(sources)
            start = rng.randrange(max(1, len(source) - size + 1))
            passage = " ".join(source[start : start + size])
            place = rng.randrange(WORDS - size + 1)
            before = " ".join(frame[:place]) + " "
            text = before + passage + " " + " ".join(frame[place : WORDS - size])
            inside = range(len(before), len(before) + len(passage))
            spans = [range(*span) for span in ours.spans(text)]
            found += any(span.start < inside.stop and span.stop > inside.start for span in spans)
            marked += sum(map(len, spans))
            right += sum(max(0, min(span.stop, inside.stop) - max(span.start, inside.start)) for span in spans)
            wanted += len(inside)
        rows.append(
            {
                "machine_percent": share,
                "texts": limit,
                "found": round(found / limit, 4),
                "precision": round(right / max(1, marked), 4),
                "recall": round(right / max(1, wanted), 4),
            }
        )
    return rows
