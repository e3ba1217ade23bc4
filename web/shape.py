"""What the request and answer models share: strictness, and the value types that occur in several."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

PAGE_MAX = 1000
PROMPT_IDS_MAX = 1 << 20

Visibility = Literal["public", "matchable", "private"]
Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Time = Annotated[str, Field(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")]
StatedTime = Annotated[Time, Field(description="time stated by the operator")]
LoggedTime = Annotated[Time, Field(description="when the log took the entry, by the log's clock")]


class Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
