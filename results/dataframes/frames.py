"""Tidy dataframes of trials and learning curves, from a finished, running or interrupted study."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from results.dataframes.parameters import weight_count
from results.record.manifest import DataFacts
from results.record.schema import METRICS
from results.record.study import Study
from spaces import Configuration
from spaces.configuration import HYPERPARAMETERS
from spaces.hyperparameters import Kind, names_of

_INTEGERS = ("seed", "epochs", "budget", "best_epoch", "epoch", *names_of(Kind.WHOLE))
_FLOATS = ("weights", *names_of(Kind.FRACTION))
_TEXTS = ("config_id", "state", "reason", *names_of(Kind.WIDTHS), *names_of(Kind.TEXT))


def load_curves(study: str | Path | Study) -> pd.DataFrame:
    """Return one row per configuration and epoch, in the order of the search space and of the epochs.

    Columns: ``config_id`` (str), ``seed``, ``epoch`` (Int64), and float64 ``train_loss`` (mean cross-entropy over
    the epoch, dropout included), ``val_loss``, ``val_accuracy``, ``val_precision``, ``val_recall``, ``val_f1``
    (weighted averages over genres, as the paper's tables), ``seconds`` (the stack's wall time shared among its
    members). A metric of a diverged epoch is NaN.
    """
    with _opened(study) as opened:
        table = opened.curve_table()
        return _typed(pd.DataFrame(table.rows, columns=table.columns))


def load_trials(study: str | Path | Study) -> pd.DataFrame:
    """Return one row per configuration, in the order of the search space.

    Columns: ``config_id`` (str), ``seed`` (Int64), ``state`` (str, see ``State``), ``reason`` (str or missing),
    ``epochs`` (Int64, trained so far, not the hyperparameter of that name), ``budget`` (Int64, epochs it may train);
    one column per hyperparameter (``hidden_layers`` as text such as ``128-16``); ``weights`` (float64, a count);
    ``best_epoch`` (Int64) and, of that epoch, the metrics of ``load_curves``; ``seconds`` (float64, over all epochs);
    ``last_val_accuracy`` (of the last epoch, NaN where that diverged). The metrics are missing before a
    configuration's first epoch.
    """
    with _opened(study) as opened, opened.snapshot():
        return trials_beside(opened, load_curves(opened))


def trials_beside(study: Study, curves: pd.DataFrame) -> pd.DataFrame:
    """Return `load_trials` of an open study whose ``load_curves`` were read already, within one snapshot."""
    with study.reading():
        table = study.trial_table()
        data = study.manifest.data
        trials = pd.DataFrame(table.rows, columns=table.columns)
        columns = [*(name for name in HYPERPARAMETERS if name != "epochs"), "weights"]
        found = [_parameters(text, data) for text in trials.pop("configuration")]
        parameters = pd.DataFrame(found, columns=columns)
        keys = ["config_id", "seed"]
        trials = pd.concat([trials.astype(curves.dtypes[keys]), parameters], axis=1)
        trials = trials.merge(_best_epochs(curves), how="left", on=keys)
        totals = curves.groupby(keys, as_index=False)["seconds"].sum()
        last = curves.drop_duplicates(keys, keep="last")[[*keys, "val_accuracy"]]
        last = last.rename(columns={"val_accuracy": "last_val_accuracy"})
        return _typed(trials.merge(totals, how="left", on=keys).merge(last, how="left", on=keys))


def _best_epochs(curves: pd.DataFrame) -> pd.DataFrame:
    """Return the epoch with the best validation accuracy of each configuration; the earlier of two equal ones."""
    scored = curves.dropna(subset=["val_accuracy"])
    ranked = scored.sort_values(["val_accuracy", "epoch"], ascending=[False, True], kind="stable")
    best = ranked.drop_duplicates(["config_id", "seed"]).drop(columns="seconds")
    return best.rename(columns={"epoch": "best_epoch"})


def mean_accuracy(trials: pd.DataFrame) -> pd.Series:
    """Return for each row the mean validation accuracy over its configuration's repeats; NaN where one has no score."""
    scores = trials.groupby("config_id")["val_accuracy"]
    return scores.transform("mean").where(scores.transform("count") == scores.transform("size"))


def ranked(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials by validation accuracy at their best epoch, best first, untrained ones last.

    Configurations with repeats are ranked by their mean; those with a repeat that has no score come after the others.
    Ties go to the better row, then the earlier epoch, then the smaller network, then the order of the search space.
    The first row is the incumbent, the best repeat of the configuration with the best mean.
    """
    order = {"mean": False, "val_accuracy": False, "best_epoch": True, "weights": True}
    by_mean = trials.assign(mean=mean_accuracy(trials))
    return by_mean.sort_values(list(order), ascending=list(order.values()), kind="stable").drop(columns="mean")


def _parameters(text: str, data: DataFacts) -> dict[str, object]:
    configuration = Configuration.from_json(text)
    values = {name: getattr(configuration, name) for name in HYPERPARAMETERS if name != "epochs"}
    hidden_layers = "-".join(str(width) for width in configuration.hidden_layers)
    return {
        **values,
        "hidden_layers": hidden_layers,
        "weights": weight_count(configuration, data),
    }


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with the documented dtypes, whichever values are missing."""
    types = dict.fromkeys(_INTEGERS, "Int64") | dict.fromkeys(_TEXTS, "str")
    types |= dict.fromkeys((*METRICS, "last_val_accuracy", *_FLOATS), "float64")
    return frame.astype({name: kind for name, kind in types.items() if name in frame.columns})


@contextmanager
def _opened(study: str | Path | Study) -> Iterator[Study]:
    """Run the body with the study, closed afterwards if it was opened here.

    Raises ``InputError`` where its rows are not what a study writes.
    """
    if not isinstance(study, Study):
        with Study.open(study) as opened, _opened(opened):
            yield opened
        return
    with study.reading():
        yield study
