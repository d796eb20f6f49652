"""Importance of a study's hyperparameters: the mean accuracy by value, and the share of variance by fANOVA."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pandas as pd

from results.analysis.counted import counted
from results.analysis.fanova import main_effects
from results.analysis.forest import MOST_POINTS
from results.analysis.ped_anova import ped_anova
from results.analysis.rows import AnyStudy, StudyRows, read_rows, written
from spaces import Point, SearchSpace, Uniform

_BINS = 5
"""Number of classes of about equal size into which a continuous parameter is cut."""
_SIDES = ["first", "second"]
_WHOLE = 0.995
INACTIVE = "(not active)"
"""Text shown where a parameter does not apply to a configuration."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Importance:
    """Result of `importance`, as dataframes with the index 0, 1, ...

    ``effects``: one row per parameter and value, the most important parameter first: ``parameter``, ``importance``,
    ``value`` (str; the bounds of a class where the parameter is continuous), ``count``, and ``mean``, ``spread``
    (standard deviation, NaN for one) and ``best`` of the configurations' accuracies.
    ``parameters``: ``parameter`` and ``importance``, shares of what all main effects explain, which sum to 1 (to 0
    where all accuracies are equal); a conditional parameter is judged on the configurations to which it applies.
    ``pairs``: the two most important parameters: ``first`` and ``second`` value (str), ``count``, ``mean``, and
    ``interaction``, the mean minus the sum of both main effects.
    A configuration's accuracy is that of its best epoch among the first ``epochs`` (``None``: among all), averaged
    over its ``repeats``.
    """

    study: str
    effects: pd.DataFrame
    parameters: pd.DataFrame
    pairs: pd.DataFrame
    counted: int
    configurations: int
    stopped: int
    """Configurations with at least one repeat that a rung stopped, whether counted or not."""
    epochs: int | None
    repeats: int = 1
    explained: float = 1.0
    """Share of the forest's variance that all main effects explain together; the rest is due to interactions."""
    conditional: tuple[str, ...] = ()
    """Parameters that do not apply to every configuration."""

    @property
    def strongest(self) -> tuple[str, ...]:
        """The two most important parameters, or the only one."""
        return tuple(self.parameters["parameter"].head(2))

    def counted_text(self) -> str:
        """Return one or two sentences that say which configurations were counted."""
        text = f"{self.counted} of {self.configurations} configurations counted, each by "
        text += "its best accuracy" if self.repeats == 1 else f"the mean of its {self.repeats} repeats' best accuracies"
        text += " of all epochs" if self.epochs is None else f" up to epoch {self.epochs}"
        if self.counted < self.configurations:
            text += "; the others have not trained so long, or have no score"
        if self.stopped:
            text += (
                f". The rungs stopped {self.stopped}, so all are compared where the first of them stopped"
                if self.counted > self.configurations - self.stopped
                else f". The rungs stopped {self.stopped}: those counted are the survivors, and no fair sample"
            )
        return text

    def explained_text(self) -> str:
        """Return one or two sentences that say of what the importances are shares."""
        text = f"importance: shares of main effects, which explain {self.explained:.0%} of the variance"
        text += "; the rest lies in interactions" if self.explained < _WHOLE else ""
        if self.counted > MOST_POINTS:
            text += f". The forest saw {MOST_POINTS:,} configurations, drawn at random"
        if self.conditional:
            text += f". {', '.join(self.conditional)}: by the configurations to which they apply"
        return text


def importance(study: AnyStudy, epochs: int | None = None) -> Importance:
    """Return main effects, importances and the interaction of the two strongest parameters.

    Configurations are compared after equal training. Where no rung stopped any, all their epochs count; otherwise only
    the first ``epochs`` do: by default as many as the first stopped configuration has trained, so that all count. With
    more, those stopped earlier drop out, and the survivors are a biased sample. A configuration that ended earlier by
    itself (patience, divergence) counts with the epochs it has. One with repeats counts once, by their mean, and only
    if each repeat counts. The forest of fANOVA (Hutter et al., 2014) is drawn with a fixed seed.

    Raises ``InputError`` where fewer than four configurations can be counted.
    """
    return _importance(read_rows(study), epochs)


@lru_cache(maxsize=4)
def _importance(rows: StudyRows, epochs: int | None) -> Importance:
    """Return the same of rows, computed once for the pictures that show parts of it."""
    compared = counted(rows, epochs)
    space, values, accuracy = rows.space, compared.values, pd.Series(compared.scores)
    found = main_effects(space, values, compared.scores.tolist())
    parameters = _importances(found.shares)
    labels = {name: _labels(space, name, values) for name in parameters["parameter"]}
    return Importance(
        study=rows.study,
        effects=_effects(parameters, labels, accuracy),
        parameters=parameters,
        pairs=_pairs(labels, list(parameters["parameter"].head(2)), accuracy),
        counted=len(compared.ids),
        configurations=len(rows.repeats),
        stopped=rows.stopped,
        epochs=compared.epochs,
        repeats=rows.settings.repeats,
        explained=found.explained,
        conditional=tuple(name for name in space.parameters if any(name not in point for point in values)),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Importances:
    """Result of `importances`: what two methods say of each parameter, and `Importance` with the rest.

    ``parameters``: ``parameter``, ``fanova`` and ``ped_anova`` (float64, shares that sum to 1, or 0 where all
    accuracies are equal), the strongest by fANOVA first.
    """

    parameters: pd.DataFrame
    effects: Importance


def importances(study: AnyStudy, epochs: int | None = None) -> Importances:
    """Return importances by fANOVA and by PED-ANOVA, on the same configurations after equal training.

    They answer two questions and may differ: fANOVA says what moves the accuracy anywhere in the space, PED-ANOVA what
    tells the best tenth of the configurations from the others. Raises ``InputError`` as `importance` does.
    """
    rows = read_rows(study)
    compared, effects = counted(rows, epochs), _importance(rows, epochs)
    shares = ped_anova(rows.space, compared.values, compared.scores.tolist())
    frame = effects.parameters.rename(columns={"importance": "fanova"})
    return Importances(parameters=frame.assign(ped_anova=frame["parameter"].map(shares).astype(float)), effects=effects)


def _importances(shares: Mapping[str, float]) -> pd.DataFrame:
    """Return the parameters with their shares of all main effects together, the strongest first."""
    total = sum(shares.values())
    frame = pd.DataFrame(
        {"parameter": list(shares), "importance": [share / total if total else 0.0 for share in shares.values()]}
    )
    return frame.sort_values("importance", ascending=False, kind="stable", ignore_index=True)


def _labels(space: SearchSpace, name: str, values: Sequence[Point]) -> pd.Series:
    """Return each configuration's value of a parameter as an ordered category, in the order of the space."""
    parameter = space.parameters[name]
    if isinstance(parameter, Uniform):
        numbers = pd.Series([point.get(name, np.nan) for point in values], dtype="float64")
        bins = min(_BINS, max(1, numbers.nunique()))
        codes, edges = pd.qcut(numbers, bins, labels=False, retbins=True, duplicates="drop")
        names = [f"{low:.3g} to {high:.3g}" for low, high in pairwise(edges)]
        found = [INACTIVE if np.isnan(code) else names[int(code)] for code in codes]
    else:
        names = [written(value) for value in parameter.values]
        texts = {value: written(value) for value in parameter.values}  # 0 in the space is 0.0 in a configuration
        found = [texts[point[name]] if name in point else INACTIVE for point in values]
    return pd.Series(pd.Categorical(found, categories=list(dict.fromkeys([*names, INACTIVE])), ordered=True))


def _effects(parameters: pd.DataFrame, labels: dict[str, pd.Series], accuracy: pd.Series) -> pd.DataFrame:
    found = []
    for name, weight in parameters.itertuples(index=False):
        rows = accuracy.groupby(labels[name], observed=True).agg(["count", "mean", "std", "max"])
        rows = rows.rename(columns={"std": "spread", "max": "best"}).rename_axis("value").reset_index()
        rows = rows.astype({"value": "str"})
        found.append(rows.assign(parameter=name, importance=weight))
    frame = pd.concat(found, ignore_index=True)
    return frame[["parameter", "importance", "value", "count", "mean", "spread", "best"]]


def _pairs(labels: dict[str, pd.Series], names: list[str], accuracy: pd.Series) -> pd.DataFrame:
    if len(names) < 2:
        return pd.DataFrame(columns=["first", "second", "count", "mean", "interaction"])
    sides = [labels[name].rename(side) for name, side in zip(names, _SIDES, strict=True)]
    pairs = accuracy.groupby(sides, observed=True).agg(["count", "mean"]).reset_index()
    first, second = (pairs[side.name].map(accuracy.groupby(side, observed=True).mean()).astype(float) for side in sides)
    pairs["interaction"] = pairs["mean"] - (first + second - accuracy.mean())
    return pairs.astype(dict.fromkeys(_SIDES, "str"))
