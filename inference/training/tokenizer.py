"""The model's own sentencepiece tokenizer, trained on the text that the model learns.

Byte fallback and an identity normaliser make every text round-trip, whatever its
script; one thread makes the trained file the same on every machine.
"""

from __future__ import annotations

from pathlib import Path

import sentencepiece

UNK_ID, BOS_ID, EOS_ID = 0, 1, 2


def train_tokenizer(texts: list[str], path: Path, vocab_size: int) -> None:
    """Train a byte-pair vocabulary of exactly vocab_size pieces and write it to path."""
    lines = [line for text in texts for line in text.split("\n") if line]
    with path.open("wb") as sink:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=sink,
            model_type="bpe",
            vocab_size=vocab_size,
            byte_fallback=True,
            # ASCII letters and marks must not be squeezed out by coverage; rarer
            # characters go through bytes.
            character_coverage=0.9999,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            add_dummy_prefix=True,
            split_digits=True,
            unk_id=UNK_ID,
            bos_id=BOS_ID,
            eos_id=EOS_ID,
            pad_id=-1,
            num_threads=1,
            # Lines longer than this are skipped; a paragraph is far shorter.
            max_sentence_length=16384,
            minloglevel=2,
        )


def load_tokenizer(path: Path) -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_file=str(path))
