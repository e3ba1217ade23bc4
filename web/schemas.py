"""Requests and answers of the API: validation of what comes in, and the OpenAPI document of both.

Requests are strict: no coercion, no unknown fields. Answers are built by `present` and `completion`; the tests
hold every answer against its model here, so that the document says what is really sent.
"""

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

SEED_END = 1 << 63
PROMPT_IDS_MAX = 1 << 20
PAGE_MAX = 1000

Visibility = Literal["public", "matchable", "private"]


def _numeric(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise PydanticCustomError("number_needed", "a number is needed, such as 0.5 and without quotation marks")
    return value


Number = Annotated[int | Decimal, BeforeValidator(_numeric), WithJsonSchema({"type": "number"})]
Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Time = Annotated[str, Field(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")]
StatedTime = Annotated[Time, Field(description="time stated by the operator")]
LoggedTime = Annotated[Time, Field(description="when the log took the entry, by the log's clock")]


def _neutral(value: int | Decimal) -> int | Decimal:
    if value != 0:
        raise PydanticCustomError("unsupported_value", "only 0 is supported: the engine has no such penalty")
    return value


Neutral = Annotated[Number, AfterValidator(_neutral)]


class Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


# Generation, OpenAI dialect


class StreamOptions(Shape):
    include_usage: bool | None = None
    include_obfuscation: bool | None = Field(None, description="accepted and ignored")


class GenerationFields(Shape):
    """What both kinds of completion request share."""

    model: str = Field(max_length=200)
    max_tokens: int | None = Field(None, description="at least 1; the context's end also ends a completion")
    temperature: Number | None = Field(None, description="0 to 100 in steps of one millionth; default 1")
    top_p: Number | None = Field(None, description="over 0 to 1 in steps of one millionth; default 1")
    top_k: int | None = Field(None, description="0 (the default) is off")
    seed: int | None = Field(None, description="0 to 2^63 - 1; without one a fresh seed is drawn and returned")
    stop: str | list[str] | None = Field(None, description="at most 4 texts of at most 64 characters")
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    rail_visibility: Visibility | None = Field(
        None, description="who may see the logged text: everyone, nobody but matchable, or only the receipt's holder"
    )
    n: Literal[1] | None = None
    presence_penalty: Neutral | None = None
    frequency_penalty: Neutral | None = None
    logit_bias: Annotated[dict[str, Any], Field(max_length=0)] | None = None
    user: str | None = Field(None, description="accepted and ignored; never stored")


class CompletionRequest(GenerationFields):
    prompt: str | list[int] | list[str] | list[list[int]] = Field(
        description="one prompt: a text, its token ids, or a list with exactly one of these"
    )
    best_of: Literal[1] | None = None
    echo: Literal[False] | None = None
    logprobs: None = None
    suffix: None = None


class TextPart(Shape):
    type: Literal["text"]
    text: str


class ChatMessage(Shape):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]
    name: str | None = Field(None, description="accepted and ignored")


class TextFormat(Shape):
    type: Literal["text"]


class ChatRequest(GenerationFields):
    messages: list[ChatMessage] = Field(min_length=1, max_length=1000)
    max_completion_tokens: int | None = Field(None, description="the newer name of max_tokens")
    response_format: TextFormat | None = None
    store: Literal[False] | None = None
    logprobs: Literal[False] | None = None
    top_logprobs: None = None


class RailRun(Shape):
    """Where the record of a completion is, and what it takes to replay it."""

    record_id: int
    leaf_hash: Hash
    receipt_url: str = Field(description="for a record that is not public it holds the access key: keep it")
    seed: int
    visibility: Visibility
    finish: Literal["stop", "length", "cancelled"]


class Usage(Shape):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class CompletionChoice(Shape):
    index: int
    text: str
    logprobs: None
    finish_reason: Literal["stop", "length"] | None


class Envelope(Shape):
    id: str
    created: int
    model: str
    system_fingerprint: str = Field(description="engine contract and first 16 hexadecimal digits of the model root")


class Completion(Envelope):
    object: Literal["text_completion"]
    choices: list[CompletionChoice]
    usage: Usage
    rail: RailRun


class CompletionChunk(Envelope):
    """One event of a streamed completion. `usage` is null but for the chunk that `include_usage` asks for."""

    object: Literal["text_completion"]
    choices: list[CompletionChoice]
    usage: Usage | None = None
    rail: RailRun | None = None


class AssistantMessage(Shape):
    role: Literal["assistant"]
    content: str
    refusal: None


class ChatChoice(Shape):
    index: int
    message: AssistantMessage
    logprobs: None
    finish_reason: Literal["stop", "length"]


class ChatCompletion(Envelope):
    object: Literal["chat.completion"]
    choices: list[ChatChoice]
    usage: Usage
    rail: RailRun


class Delta(Shape):
    role: Literal["assistant"] | None = None
    content: str | None = None


class ChatChunkChoice(Shape):
    index: int
    delta: Delta
    logprobs: None
    finish_reason: Literal["stop", "length"] | None


class ChatChunk(Envelope):
    """One event of a streamed chat completion."""

    object: Literal["chat.completion.chunk"]
    choices: list[ChatChunkChoice]
    usage: Usage | None = None
    rail: RailRun | None = None


class ModelRoot(Shape):
    root: Hash
    context_tokens: int
    engine: str
    system_fingerprint: str


class ModelCard(Shape):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    rail: ModelRoot


class ModelCards(Shape):
    object: Literal["list"]
    data: list[ModelCard]


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
    after: int = Field(-1, ge=-1, lt=SEED_END, description="records behind this id")
    limit: int = Field(100, ge=1, le=PAGE_MAX)


class ReceiptQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    key: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="access key of a record that is not public")


class VerifyRequest(Shape):
    text: str


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
    subtracted: Literal["prompt"] | None = Field(description="`prompt`: the run stood in the prompt already")


class MatchedRecord(RecordSummary):
    layer: Literal["raw", "normalised", "excerpt"]
    matched_permille: int
    longest_run_words: int
    echo_permille: int


class VerdictBody(Shape):
    rules: str = Field(description="version of the matching rules, ledger/index/SPEC.md")
    verdict: Literal["exact", "excerpt", "none", "unchecked"]
    layer: Literal["raw", "normalised", "excerpt"] | None
    reason: str | None
    reason_code: str | None
    text_chars: int
    text_words: int
    checked_chars: int
    truncated: bool = Field(description="the text goes on after the part that was checked for excerpts")
    search_capped: bool = Field(description="more records share short phrases with the text than were compared")
    matched_permille: int
    longest_run_words: int
    indexed_through: int = Field(description="the last record that was searched, -1 for none")
    spans: list[Span]
    records: list[MatchedRecord]
    log: LogState


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


class RecordIn(Shape):
    statement: str = Field(description="COSE_Sign1 in base64, at most 65,535 bytes")
    content: ContentIn | None = None


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


class OpenAIErrorDetail(Shape):
    message: str
    type: Literal["invalid_request_error", "server_error"]
    param: str | None
    code: str


class OpenAIError(Shape):
    error: OpenAIErrorDetail
