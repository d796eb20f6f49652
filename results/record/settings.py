"""The settings of a study, checked where they are made, and the names among which they choose."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from functools import lru_cache
from types import NoneType
from typing import Any, get_args, get_type_hints

from data.errors import InputError, did_you_mean
from data.inputs.kinds import FeatureKind, SplitKind
from spaces import SearchSpace, Uniform
from spaces.paper import PAPER
from spaces.strong import STRONG

TRANSFER_GENRE = "edm"
"""The paper's sixth genre, which its transfer stage adds (section 4.5)."""


class Search(StrEnum):
    """Ways to choose the configurations of a study."""

    GRID = "grid"
    RANDOM = "random"
    OPTUNA = "optuna"


class Sampler(StrEnum):
    """Samplers of an Optuna search."""

    TPE = "tpe"
    RANDOM = "random"
    GP = "gp"
    CMAES = "cmaes"


class Scheduler(StrEnum):
    """Rules that say which configurations go on at a rung."""

    ASHA = "asha"
    HALVING = "halving"
    NONE = "none"


class Device(StrEnum):
    """Places where networks train."""

    CPU = "cpu"
    CUDA = "cuda"


@dataclass(frozen=True, kw_only=True)
class StageSettings:
    """The stages around the sweep (paper 3.1, 4.2, 4.4, 4.5). Raises ``InputError`` for values that cannot be."""

    transfer_data: str | None = None
    """Rows of the sixth genre; ``None`` takes those that the source itself holds for it."""
    epochs: int = 100
    """Epochs of the simple network and of the text and fusion networks, as in Figures 4a and 4b."""
    patience: int | None = None
    transfer_epochs: int = 30
    transfer_seeds: int = 5
    freeze: bool = False
    """Train only the output layer of the copied network."""
    fusion_sweep: bool | None = None
    """Search on audio + text, too, for the fusion network; ``None`` does so in the space ``strong``."""

    def __post_init__(self) -> None:
        _check_fields(self)


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """Settings of a study. Two studies with equal settings on equal data have equal curves.

    Names may be given as text, and paths as ``Path``. Raises ``InputError`` for values that cannot be, and for
    settings that exclude each other.
    """

    data: str
    """``--data`` as given, a path made absolute."""
    mapping: str | None = None
    space: SearchSpace = field(default=PAPER, hash=False)
    search: Search = Search.GRID
    trials: int | None = None
    """Configurations of a random or an Optuna search; ``None`` for a grid."""
    sampler: Sampler | None = None
    """Sampler of an Optuna search; ``None`` for TPE."""
    repeats: int = 1
    """Rows of each configuration, trained with the seeds ``seed``, ``seed + 1`` and so on; the split is ``seed``'s."""
    features: FeatureKind = FeatureKind.AUDIO
    text_model: str | None = None
    """A folder or a name of the sentence model that reads titles; ``None`` for the packaged one."""
    scheduler: Scheduler = Scheduler.ASHA
    reduction_factor: int = 4
    grace_period: int = 1
    epochs: int = 20
    """Budget of each configuration that has none of its own (``--epochs``)."""
    seed: int = 42
    split: SplitKind = SplitKind.RANDOM
    holdout: float = 0.0
    stack_size: int | None = None
    """Most members of a stack; ``None`` chooses by the machine."""
    device: Device = Device.CPU
    """Dropout noise and arithmetic differ between devices, so a study keeps its own."""
    storage: str | None = None
    """Folder or URI of the study's checkpoints and copies of its record; ``None`` stands for its own directory."""
    ensemble: bool = True
    """Choose an ensemble among the networks when all have been trained."""
    stages: StageSettings | None = None
    """Stages that ``genresweep run`` adds around the sweep; ``None`` for a sweep alone."""
    held_genre: str | None = None
    """Genre whose rows are kept back for the transfer stage: ``edm`` where there are stages, else none."""

    def __post_init__(self) -> None:
        _check_fields(self)
        _check_search(self)
        if self.stages is not None and self.held_genre is None:
            object.__setattr__(self, "held_genre", TRANSFER_GENRE)
        if self.stages is not None and self.stages.fusion_sweep is None:
            stages = replace(self.stages, fusion_sweep=self.space == STRONG)
            object.__setattr__(self, "stages", stages)

    def to_mapping(self) -> dict[str, Any]:
        """Return all settings as plain values, in the order of the fields; the space is TOML."""
        stages = asdict(self.stages) if self.stages else None
        plain = {part.name: getattr(self, part.name) for part in fields(self)}
        return {**plain, "space": self.space.to_toml(), "stages": stages}

    def to_json(self) -> str:
        """Return all settings as plain JSON."""
        return json.dumps(self.to_mapping(), sort_keys=True)

    @property
    def suggested(self) -> int | None:
        """Number of rows that an Optuna search will have; ``None`` where all rows exist from the start."""
        return self.trials * self.repeats if self.search is Search.OPTUNA and self.trials else None

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> StudySettings:
        """Build settings from the parsed output of ``to_json``; settings that an older study lacks keep their defaults.

        A study that does not name its held genre is an older one; those held back edm, with stages or without. One
        that does not name its fusion sweep has none.
        """
        known = {"held_genre": TRANSFER_GENRE, **values}
        if "space" in known:
            known["space"] = _space_of(_checked("space", known["space"], (str,)))
        stages = known.pop("stages", None)
        return cls(**known, stages=StageSettings(**{"fusion_sweep": False, **stages}) if stages else None)


_LEAST = {
    **dict.fromkeys(("trials", "repeats", "grace_period", "epochs", "stack_size"), 1),
    **dict.fromkeys(("patience", "transfer_epochs", "transfer_seeds"), 1),
    **{"reduction_factor": 2, "seed": 0, "holdout": 0},
}
"""Least values of the settings that are numbers."""
_EXPECTED: Mapping[type, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    SearchSpace: "a SearchSpace",
    StageSettings: "StageSettings",
}
"""Words for the types of the settings."""


@lru_cache(maxsize=64)
def _space_of(text: str) -> SearchSpace:
    """Return the space of a TOML text; many studies have the same."""
    return SearchSpace.from_toml(text)


@lru_cache
def _types(record: type) -> Mapping[str, tuple[type, ...]]:
    """Return the types that each field of a class may have."""
    return {name: get_args(hint) or (hint,) for name, hint in get_type_hints(record).items()}


def _check_fields(settings: StudySettings | StageSettings) -> None:
    """Replace texts by the names of their enums; ``InputError`` for values of another type, wrong names, and numbers
    that are too small.
    """
    record: type = type(settings)
    for name, types in _types(record).items():
        value = _checked(name, getattr(settings, name), types)
        object.__setattr__(settings, name, value)
        unused = name in ("reduction_factor", "grace_period") and getattr(settings, "scheduler", None) == "none"
        if name in _LEAST and not unused and value is not None and not value >= _LEAST[name]:
            raise InputError(f"{name} must be at least {_LEAST[name]}, but got {value!r:.80}")


def _checked(name: str, value: Any, types: tuple[type, ...]) -> Any:
    """Return a value as its setting holds it; ``InputError`` where it cannot be one of the types."""
    kind, optional, value = types[0], NoneType in types, _plain(name, value)
    if value is None and optional:
        return None
    if issubclass(kind, StrEnum):
        return _chosen(name, value, kind)
    accepted = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        expected = f"{_EXPECTED[kind]} or None" if optional else _EXPECTED[kind]
        raise InputError(f"{name} must be {expected}, but got {value!r:.80}")
    return value


def _plain(name: str, value: Any) -> Any:
    """Return a path as text, and a NumPy number as Python's; ``InputError`` for a DataFrame."""
    if _is_a(value, "pandas", "DataFrame"):
        raise InputError(
            f"{name}: a DataFrame stands for the main table alone, as the data of run_sweep: give the path of a file"
        )
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value.item() if _is_a(value, "numpy", "generic") else value


def _is_a(value: Any, package: str, name: str) -> bool:
    """Return True for an instance of a package's class; the package is not imported for it."""
    loaded = sys.modules.get(package)
    return loaded is not None and isinstance(value, getattr(loaded, name))


def _chosen(name: str, value: Any, names: type[StrEnum]) -> StrEnum:
    """Return the member of an enum that a text names."""
    valid = [member.value for member in names]
    if not isinstance(value, str) or value not in valid:
        hint = did_you_mean(value, valid) if isinstance(value, str) else ""
        raise InputError(f"{name} must be one of {', '.join(valid)}, but got {value!r:.80}{hint}")
    return names(value)


def _check_search(settings: StudySettings) -> None:
    """Raise ``InputError`` for a search whose settings exclude each other."""
    space = settings.space
    if settings.sampler is not None and settings.search is not Search.OPTUNA:
        raise InputError("--sampler goes with --search optuna")
    if settings.search is Search.GRID:
        if settings.trials is not None:
            raise InputError("--trials goes with --search random or optuna; a grid is trained whole")
        if not space.is_grid:
            raise InputError(
                f"the space {space.name!r} has continuous parameters: use --search random --trials N, or optuna"
            )
    elif settings.trials is None:
        raise InputError(f"--search {settings.search} needs --trials, the number of configurations")
    if settings.search is Search.OPTUNA:
        _check_optuna(settings)


def _check_optuna(settings: StudySettings) -> None:
    space = settings.space
    if settings.scheduler is Scheduler.HALVING:
        raise InputError(
            "--scheduler halving waits at a rung for all configurations, but Optuna suggests new ones by those "
            "that have ended: use --scheduler asha or none"
        )
    if settings.sampler is Sampler.GP and settings.scheduler is not Scheduler.NONE:
        raise InputError(
            "--sampler gp learns from configurations trained to their end, and a rung stops most before: "
            "use --scheduler none, or --sampler tpe"
        )
    if settings.sampler is Sampler.CMAES and (unfit := _not_numeric(space)):
        raise InputError(
            "--sampler cmaes moves along numbers, and would draw anything else at random: in the space "
            f"{space.name!r} these are no numbers, or not always there: {', '.join(unfit)}; "
            "use --sampler tpe, or a space of numbers"
        )


def _not_numeric(space: SearchSpace) -> list[str]:
    """Return the parameters that CMA-ES cannot move along; those with a single value need not be moved."""

    def is_numeric(value: object) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool)

    return [
        name
        for name, parameter in space.parameters.items()
        if name in space.conditions
        or not (isinstance(parameter, Uniform) or len(parameter.values) == 1 or all(map(is_numeric, parameter.values)))
    ]
