"""Requests and answers of the OpenAI dialect: validation of what comes in, and the OpenAPI document of both."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from web.shape import Hash, Shape, Visibility

SEED_END = 1 << 63


def _numeric(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise PydanticCustomError("number_needed", "a number is needed, such as 0.5 and without quotation marks")
    return value


Number = Annotated[int | Decimal, BeforeValidator(_numeric), WithJsonSchema({"type": "number"})]

LOGIT_BIASES_MAX = 300


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
    min_p: Number | None = Field(
        None, description="0 (the default) to 1: leaves out tokens less likely than this share of the likeliest"
    )
    presence_penalty: Number | None = Field(None, description="-2 to 2, for tokens that the output has; default 0")
    frequency_penalty: Number | None = Field(None, description="-2 to 2, for each time that it has them; default 0")
    repetition_penalty: Number | None = Field(
        None, description="0.01 to 10, for tokens that prompt or output have; 1 (the default) is off"
    )
    logit_bias: Annotated[dict[str, Number], Field(max_length=LOGIT_BIASES_MAX)] | None = Field(
        None, description="token id to a number from -100 to 100 that is added to its logit; at most 300"
    )
    seed: int | None = Field(None, description="0 to 2^63 - 1; without one a fresh seed is drawn and returned")
    stop: str | list[str] | None = Field(None, description="at most 4 texts of at most 64 characters")
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    rail_visibility: Visibility | None = Field(
        None, description="who may see the logged text: everyone, nobody but matchable, or only the receipt's holder"
    )
    n: Literal[1] | None = None
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


class OpenAIErrorDetail(Shape):
    message: str
    type: Literal["invalid_request_error", "server_error"]
    param: str | None
    code: str


class OpenAIError(Shape):
    error: OpenAIErrorDetail
