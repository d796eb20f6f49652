"""A sentence model that was saved in half precision runs in float32: vectors do not hang on their neighbours."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from data.titles.embedding_cache import EmbeddingCache
from data.titles.embeddings import embed_titles, encode
from data.titles.text_model import find_text_model, model_hash

TITLES = [f"{'la ' * (row % 9)}Song {row} of {'love' if row % 2 else 'war'}" for row in range(24)]


@pytest.fixture(scope="module", params=["float16", "bfloat16"])
def half_model(request, tmp_path_factory) -> Path:
    """The packaged model as sentence-transformers saves it in half precision."""
    import torch
    from sentence_transformers import SentenceTransformer

    folder = tmp_path_factory.mktemp("half") / "model"
    shutil.copytree(find_text_model().folder, folder)
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    model.to(getattr(torch, request.param)).save(str(folder), create_model_card=False)
    return folder


def test_the_library_runs_it_in_half_precision_and_we_do_not(half_model):
    import torch
    from sentence_transformers import SentenceTransformer

    library = SentenceTransformer(str(half_model), device="cpu", local_files_only=True)
    assert {parameter.dtype for parameter in library.parameters()} <= {torch.float16, torch.bfloat16}
    together = encode(TITLES, half_model)
    alone = np.vstack([encode([title], half_model) for title in TITLES])
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_its_hash_is_that_of_its_files(half_model):
    found = find_text_model(str(half_model))
    assert found.sha256 == model_hash(half_model) != find_text_model().sha256


def test_vectors_that_an_earlier_version_stored_are_not_used(half_model, tmp_path, monkeypatch):
    monkeypatch.setenv("GENRESWEEP_CACHE_DIR", str(tmp_path))
    model = find_text_model(str(half_model))
    EmbeddingCache(model.sha256).save(["a b"], np.full((1, 384), 7, np.float32))
    found = embed_titles(["a"], ["b"], model=model, processes=1)
    np.testing.assert_allclose(found, encode(["a b"], half_model), atol=1e-6)


def test_those_of_the_packaged_model_are(tmp_path, monkeypatch):
    monkeypatch.setenv("GENRESWEEP_CACHE_DIR", str(tmp_path))
    EmbeddingCache(find_text_model().sha256).save(["a b"], np.full((1, 384), 7, np.float32))
    assert (embed_titles(["a"], ["b"]) == 7).all()
