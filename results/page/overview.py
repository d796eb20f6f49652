"""The first section of the study page, what came out, and the last, where it comes from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pandas as pd

from data.errors import command
from results.page.context import Context
from results.page.payload import Block, Fact, Facts, Note, Table
from results.paper.published import BEST_OF_GRID, PAPER_CHOICES
from results.pictures.configurations import Configurations, value_text
from results.record.manifest import DataFacts
from results.record.settings import StudySettings
from results.record.study import Study
from results.rendering.exports import plain_number

_STOPPED = ("stopped", "early_stopped")


def what_came_out(context: Context) -> Iterator[Block]:
    """Yield the best accuracy and its hyperparameters, and what the search has cost."""
    for study in context.studies:
        if context.several:
            yield Note(text=f"{study.name}: seed {study.settings.seed}, {study.settings.split} split")
        yield Facts(items=tuple(_figures(study, context.report.papers)), large=True)
        if len(study.trials) and pd.notna(study.trials["val_accuracy"].iloc[0]):
            yield Facts(items=tuple(_best_values(study, context.report.papers)))


def _figures(study: Configurations, papers: bool) -> Iterator[Fact]:
    trials = study.trials
    best = trials.iloc[0] if len(trials) and pd.notna(trials["val_accuracy"].iloc[0]) else None
    if best is not None:
        hint = f"on validation rows, at epoch {best['best_epoch']}"
        yield Fact(label="best accuracy", value=f"{best['val_accuracy']:.4f}", hint=hint)
        if papers and study.settings.features == "audio" and study.space.name == "paper":
            (paper, *_) = BEST_OF_GRID.scores
            assert paper is not None
            difference = f"ours is {best['val_accuracy'] - paper:+.4f} from it; a split's standard error is about .0076"
            yield Fact(label="the paper's best", value=f"{paper:.4f}", hint=difference)
    states = Counter(trials["state"])
    said = ", ".join(f"{count:,} {state.replace('_', ' ')}" for state, count in states.most_common())
    yield Fact(label="configurations", value=f"{len(trials):,}", hint=said)
    epochs, budget = int(trials["epochs"].sum()), int(trials["budget"].sum())
    ended = trials[trials["state"].isin(_STOPPED)]
    saved = int((ended["budget"] - ended["epochs"]).sum())
    yield Fact(label="epochs trained", value=f"{epochs:,}", hint=f"of {budget:,}, if all went to the end")
    share = f"{saved / budget:.0%} of all epochs: {len(ended):,} weak configurations stopped early" if saved else ""
    yield Fact(label="epochs saved by stopping", value=f"{saved:,}", hint=share or "none was stopped early")
    seconds = float(trials["seconds"].sum())
    yield Fact(label="training", value=duration(seconds), hint="on all workers together, one after another")


def _best_values(study: Configurations, papers: bool) -> Iterator[Fact]:
    table_4 = next(choice.values for choice in PAPER_CHOICES if choice.stage == "sweep")
    for name, value in study.values[0].items():
        compared = papers and study.settings.features == "audio" and name in table_4
        paper = value_text(table_4[name]) if compared else ""
        said = "as the paper" if paper == value_text(value) else f"{paper} in the paper"
        yield Fact(label=name, value=value_text(value), hint=said if paper else "")


def duration(seconds: float) -> str:
    """Return seconds as text for people: ``41 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 100:
        return f"{plain_number(seconds, 1 if seconds < 10 else 0)} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, left = divmod(minutes, 60)
    return f"{hours} h {left} min" if hours else f"{minutes} min {rest} s"


def provenance(context: Context) -> Iterator[Block]:
    """Yield the command, versions, seeds, data and machines of each study."""
    for directory, study in zip(context.directories, context.studies, strict=True):
        with Study.open(directory) as opened:
            manifest, driver = opened.manifest, opened.driver
            hosts = sorted({segment.host for segment in opened.segments()})
            source = opened.moved.get("data") or manifest.data.source
        yield Note(text=f"{study.name}, begun {manifest.created}, with", code=command_line(study, directory))
        rows = {
            "data": str(source),
            "fingerprint": manifest.data.fingerprint or "not recorded",
            "rows": _rows(manifest.data),
            "genres": ", ".join(manifest.data.genres),
            "training seeds": _seeds(study.settings),
            "machine": ", ".join(hosts) or "none yet",
            **{f"version of {name}": str(version) for name, version in manifest.versions.items()},
            "driver": driver or "none",
        }
        frame = pd.DataFrame(list(rows.items()), columns=["fact", "value"])
        yield Table.of(f"Facts of {study.name}", frame, folded=context.several)
        yield Table.of(f"All settings of {study.name}", _settings(study.settings))


def _rows(data: DataFacts) -> str:
    counts = {"training": data.training_rows, "validation": data.validation_rows, "held out": data.holdout_rows}
    parts = [f"{count:,} {kind}" for kind, count in counts.items() if count]
    return f"{data.rows or 0:,}" + (f" ({', '.join(parts)})" if parts else "")


def _seeds(settings: StudySettings) -> str:
    last = settings.seed + settings.repeats - 1
    return f"{settings.seed} to {last}" if settings.repeats > 1 else str(settings.seed)


_NOT_GIVEN = ("space", "stages", "held_genre", "storage", "ensemble")


def command_line(study: Configurations, directory: Path) -> str:
    """Return a command that begins this study anew, in another place; defaults are left out."""
    settings = study.settings
    words: list[object] = ["run" if settings.stages else "sweep"]
    for field in fields(settings):
        value = getattr(settings, field.name)
        if field.name not in _NOT_GIVEN and value != field.default:
            words += [f"--{field.name.replace('_', '-')}", value]
    if not settings.ensemble:
        words.append("--no-ensemble")
    if study.space.name != "paper":
        words += ["--space", study.space.name]
    return command(*words, "--out", f"{directory}-again")


def _settings(settings: StudySettings) -> pd.DataFrame:
    rows = [(field.name, str(getattr(settings, field.name))) for field in fields(settings)]
    return pd.DataFrame(rows, columns=["setting", "value"])
