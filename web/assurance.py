"""What a generation record is worth before anybody ran it again, in words that say whose word it is."""

from collections.abc import Iterable


def assurance_words(assurance: object, engine: object, replay_verdicts: Iterable[str] | None) -> str:
    """The assurance class of a generation, from its statement and the verdicts of its published replays.

    The class is the operator's claim; only a replay that matched bears it out. None: the replays are not known.
    """
    if assurance == "attested":
        return "attested: the operator's word only, cannot be replayed"
    if assurance != "replayable":
        return "not stated"
    claim = f"replayable: made by the {engine} engine, anyone can run it again"
    if replay_verdicts is None:
        return f"stated by the operator: {claim}"
    if "match" in replay_verdicts:
        return f"{claim}; a published replay matched"
    return f"stated by the operator: {claim}; no published replay has matched yet"
