"""Groups of studies that can share one report: the fields that must agree, and the subject of each study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any

import pandas as pd

from data.errors import InputError
from results.paper.published import PAPER_GENRES, PAPER_ROWS
from results.record.manifest import DataFacts
from results.record.records import TrialRecord
from results.record.settings import StudySettings
from results.record.stage_records import load_stage_curves, load_stage_scores, load_stages
from results.record.study import Study

_SEARCH = ("space", "search", "trials", "sampler", "scheduler", "reduction_factor", "grace_period", "epochs", "repeats")
"""Settings of a sweep that limit its best result."""
_STAGES = ("epochs", "patience", "transfer_epochs", "transfer_seeds", "freeze")


@dataclass(frozen=True, eq=False)
class Recorded:
    """The parts of one study that a report needs: its settings, the facts of its data, and the record of its stages."""

    directory: Path
    settings: StudySettings
    data: DataFacts
    stages: pd.DataFrame
    scores: pd.DataFrame
    curves: pd.DataFrame
    incumbent: TrialRecord | None
    trained: bool
    """True where a network of the sweep or of a stage has trained at least one epoch."""

    @property
    def space(self) -> str:
        """The name of the search space."""
        return self.settings.space.name

    @property
    def sweep(self) -> tuple[str, str]:
        """The subject of its sweep: the features and the name of the space."""
        return self.settings.features, self.space

    @classmethod
    def read(cls, directory: str | Path) -> Recorded:
        """Read a study, also while it is being written."""
        with Study.open(directory) as study, study.snapshot():
            trials, scores, incumbent = study.trials(), load_stage_scores(study), study.incumbent
            found = [trial for trial in trials if trial.key.config_id == incumbent]
            return cls(
                directory=Path(directory),
                settings=study.settings,
                data=study.manifest.data,
                stages=load_stages(study),
                scores=scores,
                curves=load_stage_curves(study),
                incumbent=found[0] if found else None,
                trained=len(scores) > 0 or any(trial.epoch for trial in trials),
            )


def read_studies(directories: Sequence[str | Path]) -> tuple[Recorded, ...]:
    """Read studies that differ only in their seed, their split or the features of their sweep.

    All must agree in their data and hold-out, whole runs also in their sweep and stages, and sweeps on the same
    features and space also in their search. Raises ``InputError`` naming every field that differs, or a study or seed
    that occurs twice.
    """
    if len({Path(directory).resolve() for directory in directories}) < len(directories):
        raise InputError("a study is named twice: name each once")
    found = tuple(Recorded.read(directory) for directory in directories)
    runs = [one for one in found if one.settings.stages is not None]
    sweeps = {one.sweep: [other for other in found if other.sweep == one.sweep] for one in found}
    problems = [
        *_differences([(one, _data(one)) for one in found]),
        *_differences([(one, _stages(one)) for one in runs]),
        *(problem for own in sweeps.values() for problem in _differences([(one, _search(one)) for one in own])),
        *(problem for own in sweeps.values() for problem in _seeds_twice(own)),
    ]
    if problems:
        raise InputError(
            "studies in one report must differ in nothing but seed, split and the features of their sweep, however:\n"
            + "\n".join(f"  - {problem}" for problem in dict.fromkeys(problems))
            + "\nreport them apart"
        )
    return found


def are_papers(studies: Iterable[Recorded]) -> bool:
    """Return True where every study's data are the paper's training table: its rows and genres, under its own names."""
    return all(
        not study.data.synthetic
        and not study.settings.mapping
        and study.data.rows == PAPER_ROWS
        and set(study.data.genres) == set(PAPER_GENRES)
        for study in studies
    )


def by_split(studies: Iterable[Recorded]) -> dict[str, list[Recorded]]:
    """Return the studies by the kind of their split, in the order in which they were named."""
    found: dict[str, list[Recorded]] = {}
    for study in studies:
        found.setdefault(study.settings.split, []).append(study)
    return found


def _data(study: Recorded) -> dict[str, Any]:
    """Return the facts of a study's data that must agree; ``None`` stands for one that is not known or not read."""
    data = study.data
    return {
        "data": PurePath(data.source).name,
        "synthetic": data.synthetic,
        "rows": data.rows,
        "genres": list(data.genres),
        "mapping": study.settings.mapping or "none",
        "holdout": study.settings.holdout,
        "text model": data.text_model,
        "transfer data": data.transfer_fingerprint,
    }


def _stages(study: Recorded) -> dict[str, Any]:
    stages = asdict(study.settings.stages) if study.settings.stages else {}
    settings = {f"stages: {name}": str(stages.get(name)) for name in _STAGES}
    return {"features": study.settings.features, **_search(study), **settings}


def _search(study: Recorded) -> dict[str, Any]:
    settings = study.settings.to_mapping()
    found = {name: str(settings[name]) for name in _SEARCH}
    if study.settings.search == "optuna":
        found["sampler"] = study.settings.sampler or "tpe"
    if study.settings.scheduler == "none":
        found |= {"reduction_factor": "none", "grace_period": "none"}
    return found


def _differences(studies: Sequence[tuple[Recorded, Mapping[str, Any]]]) -> list[str]:
    """Return the fields that differ among the studies that know them, each with two studies as an example."""
    problems = []
    for name in studies[0][1] if studies else ():
        known = [(study, facts[name]) for study, facts in studies if facts[name] is not None]
        other = next(((study, value) for study, value in known if value != known[0][1]), None)
        if other is not None:
            (first, its), (second, value) = known[0], other
            if name == "space":
                its, value = first.space, second.space
            problems.append(f"{name}: {_short(its)} in {first.directory}, {_short(value)} in {second.directory}")
    return problems


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _seeds_twice(studies: Sequence[Recorded]) -> list[str]:
    first: dict[tuple[str, int], Recorded] = {}
    problems = []
    for study in studies:
        key = (study.settings.split, study.settings.seed)
        if key in first:
            problems.append(f"seed {key[1]} stands there twice: in {first[key].directory} and {study.directory}")
        first.setdefault(key, study)
    return problems
