"""Requests and answers of the API outside the OpenAI dialect: validation, and the OpenAPI document of both.

Requests are strict: no coercion, no unknown fields. Answers are built by `present`; the tests hold every answer against
its model here, so that the document says what is really sent.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ledger.log import SUBMIT_STATEMENTS_MAX
from web.shape import PAGE_MAX, PROMPT_IDS_MAX, Hash, LoggedTime, Shape, StatedTime, Time, Visibility

INDEX_END = 1 << 63

# Records, verdicts, models


class LogState(Shape):
    origin: str
    size: int
    time: Time


class OperatorName(Shape):
    id: Hash
    name: str | None


class ModelName(Shape):
    root: Hash
    name: str | None


class ReplayNote(Shape):
    record_id: int
    verdict: Literal["match", "mismatch", "not_reproducible"]
    operator: OperatorName
    time: StatedTime
    logged: LoggedTime


class RecordSummary(Shape):
    record_id: int
    leaf_hash: Hash
    type: str
    time: StatedTime
    logged: LoggedTime
    operator: OperatorName
    model: ModelName | None
    engine: str | None = Field(description="of a generation: the engine contract that its operator states")
    assurance: Literal["replayable", "attested"] | None = Field(
        description="of a generation, as its operator states it: `replayable` is borne out by a replay that matched; "
        "`attested` is the operator's word only and cannot be replayed"
    )
    replays: list[ReplayNote]
    receipt_url: str


class RecordText(Shape):
    prompt: str
    output: str


class Record(RecordSummary):
    statement: dict[str, Any] = Field(description="the signed payload; bytes as hexadecimal, times as Unix seconds")
    statement_cose: str = Field(description="the leaf itself: COSE_Sign1 in base64")
    visibility: Visibility | None = Field(description="null where the service holds no content")
    erased: bool
    content: RecordText | None = Field(description="only for public records")
    log: LogState


class RecordPage(Shape):
    records: list[RecordSummary]
    next_after: int | None = Field(description="`after` of the next page, null at the end of the log")
    log: LogState


class RecordQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    after: int = Field(-1, ge=-1, lt=INDEX_END, description="records behind this id")
    limit: int = Field(100, ge=1, le=PAGE_MAX)


class ReceiptQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    key: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="access key of a record that is not public")


class VerifyRequest(Shape):
    text: str
    sign: bool = Field(False, description="also return the verdict signed by the service's operator")


class Span(Shape):
    """A run of the pasted text that stands in a record. Offsets are half-open; code points unless named utf16."""

    record_id: int
    start: int
    end: int
    start_utf16: int
    end_utf16: int
    record_start: int
    record_end: int
    words: int
    subtracted: Literal["prompt", "common"] | None = Field(
        description="why it does not count; `prompt`: it stood in the prompt already, `common`: a phrase that many have"
    )
    common_to: Literal["outputs", "registrants"] | None = Field(
        description="8 different outputs, or operators that registered it, have this passage"
    )


Layer = Literal["raw", "normalised", "folded", "excerpt", "edited", "reworded"]


class Resemblance(Shape):
    """The window of the pasted text that resembles a record most. Offsets as in Span; shares are thousandths."""

    start: int
    end: int
    start_utf16: int
    end_utf16: int
    record_start: int
    record_end: int
    aligned_permille: int = Field(description="of the window: in runs of 2 words that both have in the same order")
    terms_permille: int = Field(description="of the window's words, weighted by rarity: those that the record has")
    pairs_permille: int = Field(description="pairs of near words that the record has as near")
    order_permille: int = Field(description="rare words that the record has in the same order")
    score: int = Field(description="these shares, less what the tenth-best record has")
    score_needed: int = Field(description="for `reworded`")
    aligned_needed: int = Field(description="for `edited`")


class Calibration(Shape):
    """The error rate that a verdict rests on."""

    error_ppm: int = Field(description="of a million texts that no record is the source of, how many get this verdict")
    negatives: str = Field(description="which texts these were")
    fitted: str


class MatchedRecord(RecordSummary):
    layer: Layer
    matched_permille: int
    longest_run_words: int
    echo_permille: int
    resemblance: Resemblance | None = Field(description="of the layers `edited` and `reworded`")
    later_than: int | None = Field(
        description="the earliest of the verdict's records, if another operator registered it; null: this one's did"
    )


class FirstRegistered(Shape):
    record_id: int
    logged: LoggedTime
    operator: OperatorName


class SignedVerdict(Shape):
    """Ed25519 over `rail/verdict/v1`, a zero byte and the RFC 8785 JSON of format, text_sha256 and verdict."""

    format: Literal["rail-verdict/1"]
    text_sha256: Hash
    verdict: dict[str, Any] = Field(description="this verdict, but for `signed`")
    vkey: str
    signature: str = Field(description="base64")


class VerdictBody(Shape):
    rules: str = Field(description="version of the matching rules, ledger/index/SPEC.md")
    verdict: Literal["exact", "excerpt", "edited", "reworded", "none", "unchecked"]
    layer: Layer | None
    reason: str | None
    reason_code: str | None
    text_chars: int
    text_words: int
    checked_chars: int
    compared_chars: int = Field(description="the part in which edited and reworded copies were looked for")
    truncated: bool = Field(description="the text goes on after the part that was checked for excerpts")
    search_capped: bool = Field(description="more records share short phrases with the text than were compared")
    matched_permille: int
    longest_run_words: int
    indexed_through: int = Field(description="the last record that was searched, -1 for none")
    spans: list[Span]
    records: list[MatchedRecord]
    calibration: Calibration | None = Field(description="null: the verdict rests on no estimate")
    first_registered: FirstRegistered | None = Field(description="the earliest of the records")
    registrants: int = Field(description="different operators that registered these records")
    log: LogState
    signed: SignedVerdict | None = Field(None, description="only if `sign` was asked for")


class PrivateLookup(Shape):
    rules: str = Field(description="version of the matching rules, ledger/index/SPEC.md")
    prefix_bits: int = Field(description="leading bits of a fingerprint that name its bucket")
    indexed_through: int = Field(description="the last record that the buckets know, -1 for none")
    complete: bool = Field(description="all records up to the end of the log are in the buckets")
    log: LogState


class CharacterData(Shape):
    rules: str
    rules_with_data: str = Field(description="the rules and the version of Unicode that these tables are of")
    classes: dict[str, list[list[int]]] = Field(description="ranges of code points, first and last")
    casefold: dict[str, str] = Field(description="what differs from the lower case of one character")
    fold_before: dict[str, str]
    fold_after: dict[str, str]
    look_alikes: dict[str, str] = Field(description="what looks like a Latin letter, and the letter")
    simplified: dict[str, str] = Field(description="traditional Chinese characters, and the simplified ones")
    entities: dict[str, str] = Field(description="what HTML writes `&amp;` and so on for, by name without `&`")


class ReplayBody(Shape):
    record_id: int
    verdict: Literal["match", "mismatch", "not_reproducible"]
    tokens: int
    first_difference: int | None
    reason: str | None
    seconds: float
    engine: str
    kernels: str


class ContentIn(Shape):
    """The opening that an operator hands over with its statement."""

    prompt_text: str
    prompt_ids: list[int] = Field(max_length=PROMPT_IDS_MAX)
    prompt_salt: str = Field(description="base64, 32 bytes")
    output_bytes: str = Field(description="base64")
    output_ids: list[int] = Field(max_length=PROMPT_IDS_MAX)
    output_salt: str = Field(description="base64, 32 bytes")
    stop: list[str] = Field(max_length=4)
    visibility: Visibility
    logit_bias: dict[str, int] = Field(
        default_factory=dict, max_length=300, description="token id to what is added to its logit, in millionths"
    )


class RecordIn(Shape):
    statement: str = Field(description="COSE_Sign1 in base64, at most 65,535 bytes")
    content: ContentIn | None = None


class BatchIn(Shape):
    """Statements that are logged as a whole, in this order, or not at all."""

    records: list[RecordIn] = Field(min_length=1, max_length=SUBMIT_STATEMENTS_MAX)


class Placed(Shape):
    record_id: int
    leaf_hash: Hash
    new: bool = Field(description="false: the log held this very statement already")


class Batch(Shape):
    records: list[Placed] = Field(description="one for each statement, in the order of the request")
    log: LogState


class Model(Shape):
    root: Hash
    name: str
    family: str
    parameters: int
    engine: str
    sources: dict[str, str]
    licence: str
    record_id: int
    time: StatedTime
    logged: LoggedTime
    operator: OperatorName
    loaded: bool
    artifact_url: str | None
    artifact_bytes: int | None


class Operator(Shape):
    id: Hash
    name: str
    contact: str
    public: Hash
    valid_from: Time
    valid_to: Time | None
    record_id: int = Field(description="of its registration")
    ended_by: int | None = Field(description="the record that rotated or revoked the key; null: it is in use")
    statements: int
    next_counter: int
    missing: int = Field(description="counters that no record has: statements that were made and not logged here")
    gaps: list[list[int]] = Field(description="the first ranges of them, both ends included")


class Models(Shape):
    models: list[Model]
    log: LogState


# Operations


class Discovery(Shape):
    name: Literal["RAIL"]
    version: str
    origin: str
    log_vkey: str
    operator: OperatorName
    engine: str
    model: ModelName
    endpoints: dict[str, str]


class Health(Shape):
    status: Literal["ok"]


class Ready(Shape):
    status: Literal["ready"]
    log_size: int
    model: str


class ProblemBody(Shape):
    """RFC 9457 problem document."""

    type: str = Field(pattern="^urn:rail:error:[a-z0-9_]+$")
    title: str
    status: int
    detail: str
    code: str
    param: str | None = None
