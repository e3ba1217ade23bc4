"""The exceptions of this package: one root, one subclass for each thing a caller can do about it.

Every error from outside input carries a stable `code` in snake_case, for programs, and a message that names
what is wrong, where, and what to do, for people. A message may change between releases; a code may not.
"""


class InferenceError(Exception):
    """Root of the tree. `str(error)` is the message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ModelFileError(InferenceError):
    """A `.rail` file, or a model configuration, that breaks a rule of `rail-model/2`."""


class ConversionError(InferenceError):
    """A source checkpoint that is damaged or that the converter does not support."""


class TokenizerError(InferenceError):
    """A text or a vocabulary that the tokenizer cannot take."""


class ChatTemplateError(InferenceError):
    """A chat template that cannot be used, or messages that it does not take."""


class ContextError(InferenceError):
    """Token ids that do not fit the model: too many, none at all, or out of the vocabulary's range.

    `tokens` is how many there are (a lower bound where counting was refused), `limit` how many may be.
    """

    def __init__(self, code: str, message: str, tokens: int, limit: int) -> None:
        super().__init__(code, message)
        self.tokens = tokens
        self.limit = limit


class SamplingError(InferenceError):
    """A sampling parameter out of its range; `parameter` is its name."""

    def __init__(self, code: str, message: str, parameter: str) -> None:
        super().__init__(code, message)
        self.parameter = parameter


class KernelError(InferenceError):
    """A kernel set or thread count that this machine cannot run."""
