import multiprocessing
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InputError
from data.titles.embedding_cache import FILE_NAME, EmbeddingCache
from data.titles.embeddings import check_text_model, cost_sorted_shards, embed_titles, encode, equal_length_batches
from data.titles.text_model import TextModel, find_text_model

ALBUMS = ["Thriller", "Попеременно", "", "Thriller"]
TRACKS = ["Beat It", "Шлюза за дым", 'The "Very" Best', "Beat It"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("GENRESWEEP_CACHE_DIR", str(tmp_path))
    return tmp_path / FILE_NAME


def fake_encoder(shards, folder):
    for number in reversed(range(len(shards))):
        yield number, np.array([[len(s), sum(map(ord, s))] for s in shards[number]], dtype=np.float32)


def refusing_encoder(shards, folder):
    raise AssertionError(f"encoded again: {shards}")


def test_real_model_gives_known_neighbours_and_unit_length():
    rows = embed_titles(["Love songs", "Songs of love", "Heavy metal war"], ["Kiss me", "A kiss", "Blood"], processes=1)
    assert rows.shape == (3, 384)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert rows[0] @ rows[1] > rows[0] @ rows[2] + 0.2


def test_equals_sentence_transformers_own_encode_whatever_the_batch():
    from sentence_transformers import SentenceTransformer

    sentences = [f"{a} {t}" for a, t in zip(ALBUMS, TRACKS, strict=True)] + ["word " * n for n in (1, 3, 40, 400)]
    ours = encode(sentences, find_text_model().folder)
    model = SentenceTransformer(str(find_text_model().folder), device="cpu", local_files_only=True)
    np.testing.assert_allclose(ours, model.encode(sentences), atol=1e-6)
    alone = np.vstack([encode([sentence], find_text_model().folder) for sentence in sentences])
    np.testing.assert_allclose(ours, alone, atol=1e-6)


def test_duplicates_are_encoded_once_and_second_call_not_at_all():
    seen: list[str] = []

    def recording(shards, folder):
        seen.extend(sentence for shard in shards for sentence in shard)
        yield from fake_encoder(shards, folder)

    first = embed_titles(ALBUMS, TRACKS, encoder=recording)
    assert sorted(seen) == sorted({f"{a} {t}" for a, t in zip(ALBUMS, TRACKS, strict=True)})
    np.testing.assert_array_equal(embed_titles(ALBUMS, TRACKS, encoder=refusing_encoder), first)
    assert first[0].tolist() == [16.0, float(sum(map(ord, "Thriller Beat It")))]


def test_progress_counts_missing_sentences():
    calls: list[tuple[int, int]] = []
    embed_titles(ALBUMS, TRACKS, encoder=fake_encoder, on_progress=lambda *call: calls.append(call))
    assert calls[-1] == (3, 3)


@pytest.mark.parametrize("damage", ["row", "length", "type", "file", "truncated", "empty", "table"])
def test_damaged_cache_is_encoded_again(cache, damage):
    good = embed_titles(ALBUMS, TRACKS, encoder=fake_encoder)
    if damage == "file":
        cache.write_bytes(b"not a database" * 1000)
    elif damage == "truncated":
        cache.write_bytes(cache.read_bytes()[: cache.stat().st_size // 2])
    elif damage == "empty":
        cache.write_bytes(b"")
    else:
        value = {"row": "x'0000000000000000'", "length": "x'00'", "type": "'text'"}
        with sqlite3.connect(cache) as connection:
            connection.execute(
                "DROP TABLE vectors" if damage == "table" else f"UPDATE vectors SET vector = {value[damage]}"
            )
    np.testing.assert_array_equal(embed_titles(ALBUMS, TRACKS, encoder=fake_encoder), good)
    np.testing.assert_array_equal(embed_titles(ALBUMS, TRACKS, encoder=refusing_encoder), good)


def test_cache_that_cannot_be_written_costs_no_result(monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("GENRESWEEP_CACHE_DIR", str(blocked))
    assert embed_titles(ALBUMS, TRACKS, encoder=fake_encoder).shape == (4, 2)


def test_another_model_never_hits(tmp_path):
    EmbeddingCache("a").save(["x"], np.ones((1, 2), np.float32))
    assert EmbeddingCache("b").load(["x"]) == {}
    assert EmbeddingCache("a").load(["x"])["x"].tolist() == [1, 1]


def _write_many(directory: Path, worker: int) -> None:
    cache = EmbeddingCache("model", directory)
    for start in range(0, 200, 20):
        names = [f"{worker % 2}-{i}" for i in range(start, start + 20)]
        cache.save(names, np.full((20, 384), worker % 2, np.float32))


def test_concurrent_writers(tmp_path):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_many, args=(tmp_path, worker)) for worker in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    names = [f"{worker}-{i}" for worker in range(2) for i in range(200)]
    found = EmbeddingCache("model", tmp_path).load(names)
    assert all((found[name] == int(name[0])).all() for name in names)


@given(st.lists(st.lists(st.integers(), min_size=1, max_size=12), max_size=30), st.integers(1, 20))
def test_batches_partition_rows_without_padding(token_ids, budget):
    batches = list(equal_length_batches(token_ids, budget))
    assert sorted(row for batch in batches for row in batch) == list(range(len(token_ids)))
    for batch in batches:
        lengths = {len(token_ids[row]) for row in batch}
        assert len(lengths) == 1
        assert len(batch) == 1 or len(batch) * lengths.pop() <= budget


@given(st.lists(st.text(), unique=True), st.integers(1, 5))
def test_shards_partition_sentences(sentences, size):
    shards = cost_sorted_shards(sentences, size)
    assert sorted(sentence for shard in shards for sentence in shard) == sorted(sentences)
    assert all(0 < len(shard) <= size for shard in shards)


def test_no_rows():
    assert embed_titles([], []).shape == (0, 384)


def test_another_model_is_left_to_sentence_transformers(tiny_model, cache):
    from sentence_transformers import SentenceTransformer

    model = find_text_model(str(tiny_model))
    check_text_model(model)
    rows = embed_titles(ALBUMS, TRACKS, model=model)
    assert rows.shape == (4, 6) and rows.dtype == np.float32
    library = SentenceTransformer(str(tiny_model), device="cpu", local_files_only=True)
    sentences = [f"{a} {t}" for a, t in zip(ALBUMS, TRACKS, strict=True)]
    np.testing.assert_allclose(rows, library.encode(sentences), atol=1e-6)
    np.testing.assert_array_equal(embed_titles(ALBUMS, TRACKS, model=model, encoder=refusing_encoder), rows)


def test_a_model_that_cannot_be_loaded_or_gives_no_numbers(tmp_path, tiny_model, monkeypatch):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="cannot read"):
        embed_titles(["a"], ["b"], model=find_text_model(str(tmp_path)), processes=1)
    with pytest.raises(InputError, match="cannot read"):
        check_text_model(find_text_model(str(tmp_path)))
    sound = find_text_model(str(tiny_model))
    monkeypatch.setattr("data.titles.embeddings.encode", lambda sentences, folder: np.full((1, 6), np.nan, np.float32))
    with pytest.raises(InputError, match="cannot embed a title"):
        check_text_model(sound)
    monkeypatch.setattr("data.titles.embeddings.encode", lambda sentences, folder: {}["no"])
    with pytest.raises(InputError, match="KeyError"):
        check_text_model(TextModel(name="x", folder=tmp_path, sha256=""))
