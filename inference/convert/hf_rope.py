"""Rotary frequencies of a Hugging Face `config.json`: `rope_parameters`, or the older `rope_theta`, `rope_scaling`."""

from decimal import Decimal

from inference.convert.hf_fields import Fields
from inference.convert.rope import LinearScaling, Llama3Scaling, Scaling, frequencies

_THETA = 10_000  # where a file names none
_KEYS = {
    "default": set[str](),
    "linear": {"factor"},
    "llama3": {"factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"},
}
_ALWAYS = {"rope_type", "type", "rope_theta", "partial_rotary_factor"}


def read_frequencies(config: Fields, head_dim: int) -> tuple[Decimal, ...]:
    """Raises ConversionError (`hf_config`, `unsupported`)."""
    if config.get("rope_parameters") and config.get("rope_scaling"):
        raise config.unsupported("rope_scaling", " beside rope_parameters")
    table = config.table("rope_parameters" if config.get("rope_parameters") else "rope_scaling")
    for key in ("rope_theta", "partial_rotary_factor"):
        if config.get(key) is not None and table.get(key, config.get(key)) != config.get(key):
            raise config.unsupported(key, f": {table.where} has another value")
    for fields in (config, table):
        if fields.get("partial_rotary_factor", 1) != 1:
            raise fields.unsupported("partial_rotary_factor")
    theta = (
        table.number("rope_theta", _THETA)
        if table.get("rope_theta") is not None
        else config.number("rope_theta", _THETA)
    )
    return frequencies(theta, head_dim, _scaling(table))


def _scaling(table: Fields) -> Scaling | None:
    kind = table.text("rope_type", table.text("type", "default"))
    if kind not in _KEYS or table.get("type", kind) != kind:
        raise table.unsupported(
            "rope_type" if table.get("rope_type") is not None else "type", "; linear and llama3 are read"
        )
    for key in table.values:
        if key not in _KEYS[kind] | _ALWAYS:
            raise table.unsupported(key)
    if kind == "default":
        return None
    factor = table.number("factor")
    if kind == "linear":
        return LinearScaling(factor)
    low, high = table.number("low_freq_factor"), table.number("high_freq_factor")
    original_context = table.integer("original_max_position_embeddings")
    if low >= high or original_context < 1:
        raise table.error("low_freq_factor", "below high_freq_factor, with a context of at least one token")
    return Llama3Scaling(factor, low, high, original_context)
