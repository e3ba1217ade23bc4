"""The deterministic engine: model file, conversion, tokenizer, generation and replay. See SPEC.md."""
