"""Sentence embeddings of titles (paper 2.3.1): album name and track name through all-MiniLM-L6-v2, or another model.

Each sentence is encoded once and kept on disk (`data.titles.embedding_cache`). The packaged model's batches hold
sentences of one token length, so nothing is padded and a vector depends on its batch only through the order of float32
sums (2e-7 seen, 1e-6 promised). Any other model is run by sentence-transformers, with its own prompts and batches.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.errors import InputError
from data.machine.cpus import usable_cpus
from data.titles.embedding_cache import EmbeddingCache
from data.titles.text_model import MODEL_PACKAGE, TextModel, find_text_model

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

EMBEDDING_SIZE = 384
TOKENS_PER_BATCH = {"cpu": 1024, "cuda": 65536}
SENTENCES_PER_SHARD = 1000

Encoder = Callable[[list[list[str]], Path], Iterator[tuple[int, np.ndarray]]]
"""A function (shards of sentences, model folder) -> (shard number, (n, size) array), in order of completion."""


def embed_titles(
    album_names: Sequence[str],
    track_names: Sequence[str],
    *,
    model: TextModel | None = None,
    device: str = "cpu",
    processes: int | None = None,
    encoder: Encoder | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Embed "album track" for each row; paper 2.3.1.

    Returns float32 of shape (n, 384) (another model: its own width). `model` is the packaged one by default.
    `processes` defaults to the usable CPUs. `encoder` replaces the local processes, for example by Ray workers
    that map `encode`. `on_progress(done, total)` counts the distinct sentences that had to be encoded.
    Raises InputError if the model is missing, damaged or unreadable.
    """
    sentences = [_sentence(*pair) for pair in zip(album_names, track_names, strict=True)]
    if not sentences:
        return np.empty((0, EMBEDDING_SIZE), dtype=np.float32)
    model = model or find_text_model()
    cache = EmbeddingCache(_cache_key(model))
    distinct = list(dict.fromkeys(sentences))
    vectors = cache.load(distinct)
    missing = [sentence for sentence in distinct if sentence not in vectors]
    if missing:
        shards = cost_sorted_shards(missing)
        encoder = encoder or functools.partial(encode_locally, device=device, processes=processes)
        done = 0
        for number, rows in encoder(shards, model.folder):
            cache.save(shards[number], rows)
            vectors.update(zip(shards[number], rows, strict=True))
            done += len(rows)
            if on_progress is not None:
                on_progress(done, len(missing))
    return np.stack([vectors[sentence] for sentence in sentences])


def _cache_key(model: TextModel) -> str:
    """Return a model's key in the cache.

    Earlier versions stored half precision under the plain hash of any model but the packaged one.
    """
    return model.sha256 if model.name is None else f"float32 {model.sha256}"


def encode(sentences: Sequence[str], model_path: str | Path, threads: int = 1, device: str = "cpu") -> np.ndarray:
    """Embed sentences in this process, without the cache; workers map this function over shards.

    Returns float32 of shape (n, size), unit length for all-MiniLM-L6-v2. Raises InputError if the folder
    holds no model that sentence-transformers can read.
    """
    import torch

    model = _load_model(str(model_path), device)
    threads_before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        if _is_packaged(Path(model_path)):
            return _encode_unpadded(model, sentences, device)
        return model.encode(list(sentences), show_progress_bar=False).astype(np.float32, copy=False)
    finally:
        torch.set_num_threads(threads_before)


def _is_packaged(folder: Path) -> bool:
    return MODEL_PACKAGE in folder.parts


def _encode_unpadded(model: SentenceTransformer, sentences: Sequence[str], device: str) -> np.ndarray:
    import torch

    token_ids = model.tokenizer(list(sentences), truncation=True, max_length=model.max_seq_length)["input_ids"]
    rows = np.empty((len(sentences), model.get_embedding_dimension() or 0), dtype=np.float32)
    with torch.inference_mode():
        for batch in equal_length_batches(token_ids, TOKENS_PER_BATCH[torch.device(device).type]):
            tokens = torch.tensor([token_ids[row] for row in batch], device=device)
            features = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
            rows[batch] = model(features)["sentence_embedding"].float().cpu().numpy()
    return rows


def check_text_model(model: TextModel) -> None:
    """Embed one title as a check; InputError if the model cannot, or returns numbers that are not finite."""
    try:
        rows = encode(["Thriller Beat It"], model.folder)
        problem = None if rows.size and np.isfinite(rows).all() else f"it gives {rows}"
    except InputError:
        raise
    except Exception as error:  # somebody else's model may raise anything
        problem = f"{type(error).__name__}: {error}"
    if problem:
        raise InputError(
            f"the text model in {model.folder} cannot embed a title: {problem}\n"
            "Fix: give the folder or name of a sentence-transformers model for text"
        )


def encode_locally(
    shards: list[list[str]], folder: Path, *, device: str = "cpu", processes: int | None = None
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield encoded shards from this machine: one process per CPU with one thread each, or this process on a GPU.

    Two processes of one thread are faster than one of two: small products leave the second thread idle.
    """
    processes = min(processes or usable_cpus(), len(shards))
    if device != "cpu" or processes == 1:
        for number, shard in enumerate(shards):
            yield number, encode(shard, folder, threads=1, device=device)
        return
    from joblib import Parallel, delayed
    from joblib.externals.loky import get_reusable_executor

    jobs = (delayed(_encode_numbered)(number, shard, folder) for number, shard in enumerate(shards))
    try:
        yield from Parallel(n_jobs=processes, return_as="generator_unordered", pre_dispatch="all")(jobs)
    finally:
        # Otherwise the idle workers keep half a gigabyte each for minutes.
        get_reusable_executor().shutdown(wait=False, kill_workers=True)


def cost_sorted_shards(sentences: Sequence[str], size: int = SENTENCES_PER_SHARD) -> list[list[str]]:
    """Split sentences into shards of similar length, most expensive first; each sentence is in exactly one."""
    by_length = sorted(sentences, key=lambda sentence: (-len(sentence), sentence))
    return [by_length[start : start + size] for start in range(0, len(by_length), size)]


def equal_length_batches(token_ids: Sequence[Sequence[int]], budget: int) -> Iterator[list[int]]:
    """Yield batches of row numbers, each of one token length and at most `budget` tokens (at least one row)."""
    rows_by_length: dict[int, list[int]] = defaultdict(list)
    for row, ids in enumerate(token_ids):
        rows_by_length[len(ids)].append(row)
    for length, rows in sorted(rows_by_length.items()):
        step = max(1, budget // length)
        yield from (rows[start : start + step] for start in range(0, len(rows), step))


def _sentence(album_name: str, track_name: str) -> str:
    return " ".join(name if isinstance(name, str) else "" for name in (album_name, track_name))


def _encode_numbered(number: int, sentences: list[str], folder: Path) -> tuple[int, np.ndarray]:
    return number, encode(sentences, folder, threads=1)


@functools.lru_cache(maxsize=1)
def _load_model(model_path: str, device: str) -> SentenceTransformer:
    """Return the model in this folder in float32, whatever precision it was saved in.

    transformers loads weights in their saved precision: ``from_pretrained(dtype="auto")`` is the default since version
    5 (5.23.0, ``modeling_utils.py``), and sentence-transformers 6.2.0 passes no other. In float16 or bfloat16 a CPU
    rounds differently for each width of a batch, so a title's vector changes with the other titles in its batch, by
    4e-4. In float32, which represents half precision exactly, it changes by 3e-7.
    """
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        return SentenceTransformer(model_path, device=device, local_files_only=True).float().eval()
    except Exception as error:  # the folder may hold anything
        raise InputError(
            f"the text model: sentence-transformers cannot read {model_path}:\n{error}\n"
            "Fix: give the folder of a complete sentence-transformers model."
        ) from error
