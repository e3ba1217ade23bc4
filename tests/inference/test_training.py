"""The training code: data and tokenizer without torch; a tiny model, two steps and the export with it."""

import sys
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pytest

from inference.training import data, memorisation, numpy_forward, tokenizer, train

STORIES = [
    f'Once upon a time, {name} had {n} {colour} balls.\n"Look!" said {name}. The {animal} ran to the {place}.'
    for n, (name, colour, animal, place) in enumerate(
        (name, colour, animal, place)
        for name in ("Lily", "Tom", "Mia", "Ben")
        for colour in ("red", "blue", "green")
        for animal in ("dog", "cat", "bird")
        for place in ("park", "house", "river")
    )
]


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpora")
    text = "\n<|endoftext|>\n".join(STORIES)
    for name in (*data.STORY_FILES, *data.BOOK_FILES, data.HELDOUT_STORIES):
        (folder / name).write_text(text, encoding="utf-8")
    (folder / data.HELDOUT_BOOKS).write_text(text.replace(data.STORY_END, data.BOOK_END), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.model"
    tokenizer.train_tokenizer(STORIES, path, 384)
    return tokenizer.load_tokenizer(path)


def test_stories_are_split_at_separator_lines_and_empty_ones_left_out() -> None:
    assert data.split_texts("\n one \n<|endoftext|>\n\n<|endofbook|>\ntwo\n\nlines\n<|endoftext|>\n") == [
        "one",
        "two\n\nlines",
    ]


def test_held_out_and_evaluation_files_are_not_training_files() -> None:
    trained_on = (*data.STORY_FILES, *data.BOOK_FILES)
    assert not {data.HELDOUT_STORIES, data.HELDOUT_BOOKS} & set(trained_on)
    assert not any("heldout" in name or "eval" in name for name in trained_on)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n",
        "a\nb\n\n c",
        "  two  spaces  ",
        "tab\tand\r\n",
        "1234567890",
        "你好，世界。\n再见",
        "naïve 🙂 \x00",
    ],
)
def test_any_text_round_trips(tokens, text: str) -> None:
    assert tokens.decode(tokens.encode(text)) == text


def test_tokenizer_has_the_llama_special_ids_and_byte_pieces(tokens) -> None:
    assert (tokens.unk_id(), tokens.bos_id(), tokens.eos_id(), tokens.pad_id()) == (0, 1, 2, -1)
    assert [tokens.id_to_piece(3 + byte) for byte in (0, 10, 255)] == ["<0x00>", "<0x0A>", "<0xFF>"]
    assert tokens.get_piece_size() == 384


def test_tokenizer_training_is_reproducible(tokens, tmp_path: Path) -> None:
    tokenizer.train_tokenizer(STORIES, tmp_path / "again.model", 384)
    assert (tmp_path / "again.model").read_bytes() == tokens.serialized_model_proto()


def test_story_is_bos_tokens_eos(tokens) -> None:
    (row,) = data.encode_texts(STORIES[:1], tokens)
    assert row == [1, *tokens.encode(STORIES[0]), 2]


def test_packing_keeps_every_text_whole_and_leaves_little_room() -> None:
    texts = [[n] * (1 + n * 7 % 60) for n in range(300)]
    rows = data.pack(texts, 64)
    assert max(map(len, rows)) <= 64
    assert sum(map(len, rows)) / (64 * len(rows)) > 0.95
    assert sorted(chain(*rows)) == sorted(chain(*texts))
    runs = [row.count(n) for row in rows for n in set(row)]
    assert sorted(runs) == sorted(map(len, texts))
    assert data.pack([[1] * 100], 64) == [[1] * 64]


def test_cutting_keeps_every_token_behind_a_bos() -> None:
    texts = [[1, *range(10, 10 + n), 2] for n in (0, 1, 5, 6, 7, 40)]
    rows = data.cut(texts, 8)
    assert all(row[0] == 1 and 2 <= len(row) <= 8 for row in rows)
    assert [id for row in rows for id in row[1:]] == [id for text in texts for id in text[1:]]


def test_batches_mix_both_kinds_and_go_on_for_ever_in_an_order_of_the_seed() -> None:
    stories, books = [[1, n, 2] for n in range(10, 20)], [[1, *range(100, 130), 2]]

    def first(seed: int) -> list[list[data.Row]]:
        batches = data.mixed_batches(stories, books, width=7, story_rows=2, book_rows=1, seed=seed)
        return list(islice(batches, 20))

    assert first(1) == first(1) != first(2)
    for batch in first(1):
        assert len(batch) == 3
        assert all(max(row) < 20 for row in batch[:2])
        assert max(batch[2]) >= 100 or batch[2] == [1, 2]
    # 10 stories are 5 rows: after 5 passes each has been there 5 times, whatever the order.
    seen = [id for batch in first(1)[:10] for row in batch[:2] for id in row if id >= 10]
    assert len(seen) == 40


def test_longest_runs_are_those_of_a_plain_search() -> None:
    training = ["a b c d e f", "c d e x y", "", "z z z z"]
    texts = ["q b c d x", "c d e x y z", "z z z", "", "nothing here", "f c", "Z"]
    assert memorisation.longest_runs(texts, training).tolist() == [3, 5, 3, 0, 0, 1, 0]


def test_missing_corpus_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(data.CorpusMissing, match=r"tinystories_train_en\.txt.*--corpora"):
        data.read_texts(tmp_path, data.STORY_FILES)


def test_missing_torch_is_named_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("inference.training.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    code = train.main(["--corpora", str(tmp_path), "--out", str(tmp_path / "out"), "--minutes", "1"])
    assert code == 2
    assert "torch: pip install -r inference/training/requirements.txt" in capsys.readouterr().err


def tiny_training(corpora: Path, out: Path, max_steps: int):
    pytest.importorskip("torch")
    from inference.training.loop import RunConfig, Training
    from inference.training.model import ModelConfig

    shape = ModelConfig(dim=32, hidden_dim=48, n_layers=2, n_heads=4, n_kv_heads=2, vocab_size=384, seq_len=64)
    out.mkdir(exist_ok=True)
    run = RunConfig(minutes=5, story_rows=3, book_rows=2, micro_rows=2, compiled=False, max_steps=max_steps)
    return Training(corpora, out, shape, run)


def test_learning_rate_rises_holds_and_ends_at_zero() -> None:
    pytest.importorskip("torch")
    from inference.training.loop import RunConfig, rate_at

    run = RunConfig(minutes=1, warmup_share=0.1, decay_share=0.5)
    assert [rate_at(p, run) for p in (0.05, 0.1, 0.4, 0.75, 1.0, 1.1)] == pytest.approx([0.5, 1, 1, 0.5, 0, 0])


def test_orthogonalised_matrix_has_singular_values_near_one() -> None:
    torch = pytest.importorskip("torch")
    from inference.training.optim import orthogonalise

    torch.manual_seed(1)
    for shape in ((8, 32), (32, 8), (16, 16)):
        values = torch.linalg.svdvals(orthogonalise(torch.randn(shape)))
        assert values.max() < 1.3
        assert values.median() > 0.6


def test_a_resumed_run_takes_the_steps_of_an_unbroken_one(corpora: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    whole = tiny_training(corpora, tmp_path / "whole", 4)
    whole.fit()
    tiny_training(corpora, tmp_path / "parts", 2).fit()
    log = tmp_path / "parts" / "log.jsonl"
    log.write_text('{"step": 2}\n{"step": 3}\n')
    second = tiny_training(corpora, tmp_path / "parts", 4)
    assert second.step == 2
    assert log.read_text() == '{"step": 2}\n'  # Step 3 came after the checkpoint and is taken again.
    second.fit()
    # The rate follows the clock, so the weights agree only nearly; the data agree exactly.
    assert (second.step, second.tokens) == (whole.step, whole.tokens)
    assert torch.allclose(second.model.embedding.weight, whole.model.embedding.weight, atol=1e-2)


def test_checkpoint_of_another_shape_is_refused(corpora: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from inference.training.loop import CheckpointMismatch, RunConfig, Training
    from inference.training.model import ModelConfig

    tiny_training(corpora, tmp_path, 1).fit()
    other = ModelConfig(dim=32, hidden_dim=64, n_layers=1, n_heads=4, n_kv_heads=2, vocab_size=384, seq_len=64)
    with pytest.raises(CheckpointMismatch, match="another --out"):
        Training(corpora, tmp_path, other, RunConfig(minutes=1, compiled=False))


@pytest.mark.parametrize("damage", [lambda whole: whole[: len(whole) // 2], lambda whole: b"", lambda whole: b"x" * 99])
def test_damaged_checkpoint_is_named_with_what_to_do(
    corpora: Path, tmp_path: Path, damage, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_training(corpora, tmp_path, 1).fit()
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(damage(path.read_bytes()))
    assert train.main(["--corpora", str(corpora), "--out", str(tmp_path), "--minutes", "1"]) == 2
    assert "checkpoint.pt is damaged" in (err := capsys.readouterr().err)
    assert "delete it" in err


def test_a_micro_batch_changes_nothing_but_memory(corpora: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    whole, parts = (tiny_training(corpora, tmp_path / name, 1) for name in ("whole", "parts"))
    rows = next(whole.batches())
    object.__setattr__(whole.run, "micro_rows", len(rows))
    assert whole.train_step(rows, 1.0) == pytest.approx(parts.train_step(rows, 1.0), rel=1e-5)
    assert torch.allclose(whole.model.embedding.weight, parts.model.embedding.weight, atol=1e-3)


def test_blocks_of_queries_attend_as_one(corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    from inference.training import model

    network = tiny_training(corpora, tmp_path, 1).model
    ids = torch.arange(50)[None]
    whole = network(ids)
    monkeypatch.setattr(model, "QUERY_BLOCK", 16)
    assert torch.allclose(network(ids), whole, atol=1e-5)


def test_export_read_by_numpy_gives_the_loss_of_torch(corpora: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from inference.training.evaluate import held_out
    from inference.training.export import export_llama2c

    training = tiny_training(corpora, tmp_path, 2)
    training.fit()
    export_llama2c(training.model, tmp_path / "model.bin")
    header = np.fromfile(tmp_path / "model.bin", "<i4", 7)
    assert header.tolist() == [32, 48, 2, 4, 2, 384, 64]
    rows = training.unseen_stories[:3]
    by_torch = held_out(training.model, rows, training.tokenizer).nats_per_token
    by_numpy = numpy_forward.nats_per_token(numpy_forward.read_llama2c(tmp_path / "model.bin"), rows)
    assert by_numpy == pytest.approx(by_torch, abs=1e-5)


def test_truncated_export_is_refused(tmp_path: Path) -> None:
    (tmp_path / "short.bin").write_bytes(np.array([32, 48, 1, 4, 2, 16, 8, 0], "<i4").tobytes())
    with pytest.raises(ValueError, match="header asks for"):
        numpy_forward.read_llama2c(tmp_path / "short.bin")


def test_summary_figures_agree_with_each_other(corpora: Path, tmp_path: Path) -> None:
    training = tiny_training(corpora, tmp_path, 2)
    training.fit()
    summary = training.summary()
    figures = summary["heldout_stories"]
    assert figures["texts"] == len(STORIES)
    assert np.exp(figures["nats_per_token"]) == pytest.approx(figures["perplexity"])
    assert figures["bits_per_byte"] == pytest.approx(figures["nats"] / np.log(2) / figures["bytes"])
    assert summary["steps"] == 2
