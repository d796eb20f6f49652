"""Schedulers replayed on the recorded curves of exhaustive studies, in simulated time, without training.

A worker takes a stack of the configurations that have trained the fewest epochs, in their order of arrival, up to the
next rung; an epoch of a configuration takes the seconds that the study recorded for it. The order of arrival, and with
it the stacks, is drawn anew each time.
"""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.errors import InputError
from data.machine.cpus import usable_cpus
from search.replay.recorded_sweep import RecordedSweep
from search.replay.stopping_rules import HyperBand, MedianStopping, ReplayedScheduler
from search.scheduling.rungs import Rungs, make_rungs

_REDUCTION_FACTORS = (2, 3, 4)
_WORTH_PROCESSES = 200_000
"""Number of replayed configurations that is worth starting processes, at about 20,000 a second."""
_SETTING = ["scheduler", "reduction_factor", "grace_period"]


@dataclass(frozen=True)
class Setting:
    """A scheduler to replay; ``None`` for a number that it does not have."""

    scheduler: str
    reduction_factor: int | None = None
    grace_period: int | None = None

    @classmethod
    def of(cls, scheduler: str, reduction_factor: int, grace_period: int) -> Setting:
        """Return the setting with the numbers that this scheduler has."""
        knows_factor = scheduler in ("asha", "halving", "hyperband")
        knows_grace = scheduler in ("asha", "halving", "median")
        return cls(scheduler, reduction_factor if knows_factor else None, grace_period if knows_grace else None)


def usual_settings(epochs: int) -> tuple[Setting, ...]:
    """Return every scheduler with reduction factors 2, 3 and 4 and grace periods 1, 2, 4, ... below ``epochs``."""
    grace_periods = [2**power for power in range(epochs.bit_length()) if 2**power < epochs] or [1]
    found = [
        Setting.of(scheduler.value, factor, grace_period)
        for scheduler in ReplayedScheduler
        for factor in _REDUCTION_FACTORS
        for grace_period in grace_periods
    ]
    return tuple(dict.fromkeys(found))


class ReplayedSweep:
    """One sweep over recorded curves: the epochs of each configuration, and the decisions of the rungs."""

    def __init__(self, recorded: RecordedSweep, rungs: Rungs) -> None:
        self.epochs = np.zeros(len(recorded.keys), dtype=int)
        self.levels = rungs.levels
        self._recorded, self._rungs = recorded, rungs
        self._rows = {key: row for row, key in enumerate(recorded.keys)}
        self._lengths: list[int] = recorded.lengths.tolist()

    def train(self, stack: Sequence[int], epoch: int) -> list[int]:
        """Take the rows of a stack to an epoch, and return the rows that can now go on, of this stack or of others."""
        keys, scores = self._recorded.keys, self._recorded.accuracy[stack, epoch - 1].tolist()
        going, ended = {}, []
        for row, score in zip(stack, scores, strict=True):
            if self._lengths[row] <= epoch:
                ended.append(row)
            else:
                going[keys[row]] = score
        self.epochs[stack] = np.minimum(self._recorded.lengths[stack], epoch)
        if epoch not in self.levels:
            return [self._rows[key] for key in going]
        decisions = self._rungs.report(epoch, going) if going else []
        for row in ended:
            decisions += self._rungs.withdraw(keys[row])
        return [self._rows[decision.key] for decision in decisions if decision.promoted]


@dataclass(frozen=True, eq=False)
class Ended:
    """The outcome of a replayed sweep: epochs of each row, and the simulated seconds until the last ended."""

    epochs: np.ndarray
    seconds: float


def simulate(recorded: RecordedSweep, rungs: Rungs, order: Sequence[int], workers: int, stack_size: int) -> Ended:
    """Simulate a whole sweep with rows arriving in this order."""
    sweep = ReplayedSweep(recorded, rungs)
    levels = [*rungs.levels, recorded.accuracy.shape[1]]
    following = {epoch: next(level for level in levels if level > epoch) for epoch in (0, *levels[:-1])}
    elapsed = np.concatenate([np.zeros((len(order), 1)), recorded.seconds.cumsum(axis=1)], axis=1)
    ready: dict[int, list[int]] = defaultdict(list, {0: list(order)})
    training: list[tuple[float, int, list[int], int]] = []
    clock, number = 0.0, 0
    while True:
        while len(training) < workers and any(ready.values()):
            first = min(epoch for epoch, rows in ready.items() if rows)
            stack, last = ready[first][:stack_size], following[first]
            del ready[first][:stack_size]
            number += 1
            seconds = float((elapsed[stack, last] - elapsed[stack, first]).sum())
            heapq.heappush(training, (clock + seconds, number, stack, last))
        if not training:
            return Ended(sweep.epochs, clock)
        clock, _, stack, last = heapq.heappop(training)
        for row in sweep.train(stack, last):
            ready[int(sweep.epochs[row])].append(row)


def _rungs(setting: Setting, recorded: RecordedSweep, order: Sequence[int]) -> Rungs:
    epochs = recorded.accuracy.shape[1]
    if setting.scheduler == "median":
        return MedianStopping(setting.grace_period or 1, epochs)
    if setting.scheduler == "hyperband":
        return HyperBand(setting.reduction_factor or 2, epochs, [recorded.keys[row] for row in order])
    return make_rungs(
        setting.scheduler,
        grace_period=setting.grace_period or 1,
        reduction_factor=setting.reduction_factor or 2,
        positions=recorded.positions,
        budgets=recorded.budgets,
    )


def replay(
    studies: Iterable[str | Path],
    settings: Iterable[Setting] | None = None,
    *,
    orders: int | None = None,
    seed: int = 0,
    workers: int = 2,
    stack_size: int = 16,
) -> pd.DataFrame:
    """Return one row per study, setting and order of arrival; without settings, the usual ones are replayed.

    Without ``orders`` there are 200 of one setting, and 50 of each of several. Many are spread over all cores; the rows
    are the same.

    Columns: ``study``, ``scheduler`` (str), ``reduction_factor``, ``grace_period`` (Int64, missing where the scheduler
    has none), ``order``; ``epochs`` trained and ``saved``, their share that was not; ``regret``, what the chosen
    configuration's best accuracy lacks of the exhaustive best; ``rank`` of the chosen one among all (1 is the best),
    its ``config_id``; ``seconds`` of simulated time with so many workers. The same seed draws the same orders for each
    setting. ``InputError`` for a study that is not exhaustive or not complete.
    """
    recorded = [RecordedSweep.load(study) for study in studies]
    wanted = usual_settings(max(max(r.budgets.values()) for r in recorded)) if settings is None else tuple(settings)
    each = orders or usual_orders(wanted)
    tasks = [(sweep, setting, each, seed, workers, stack_size) for sweep in recorded for setting in wanted]
    rows = itertools.chain.from_iterable(_spread_over_cores(tasks, sum(len(task[0].keys) for task in tasks) * each))
    return pd.DataFrame(rows).astype({"reduction_factor": "Int64", "grace_period": "Int64"})


def usual_orders(settings: Sequence[Setting]) -> int:
    """Return the default number of orders of arrival."""
    return 200 if len(settings) == 1 else 50


def _spread_over_cores(tasks: list[tuple[Any, ...]], trainings: int) -> Iterable[list[dict[str, object]]]:
    """Return the rows of each task; processes are started where they save more time than their start takes."""
    if trainings < _WORTH_PROCESSES:
        return itertools.starmap(_replayed, tasks)
    from joblib import Parallel, delayed
    from joblib.externals.loky import get_reusable_executor

    try:
        return list(Parallel(n_jobs=usable_cpus())(delayed(_replayed)(*task) for task in tasks))
    finally:
        get_reusable_executor().shutdown(wait=False, kill_workers=True)


def _replayed(
    recorded: RecordedSweep, setting: Setting, orders: int, seed: int, workers: int, stack_size: int
) -> list[dict[str, object]]:
    return list(_in_each_order(recorded, setting, orders, seed, workers, stack_size))


def _in_each_order(
    recorded: RecordedSweep, setting: Setting, orders: int, seed: int, workers: int, stack_size: int
) -> Iterator[dict[str, object]]:
    rng, rows = np.random.default_rng(seed), np.arange(len(recorded.keys))
    best = recorded.best[rows, recorded.lengths - 1]
    for number in range(orders):
        order = rng.permutation(len(rows)).tolist()
        ended = simulate(recorded, _rungs(setting, recorded, order), order, workers, stack_size)
        chosen = int(recorded.places[rows, ended.epochs - 1].argmin())
        yield {
            "study": recorded.study,
            **dict(zip(_SETTING, vars(setting).values(), strict=True)),
            "order": number,
            "epochs": int(ended.epochs.sum()),
            "saved": 1 - ended.epochs.sum() / recorded.lengths.sum(),
            "regret": float(best.max() - recorded.best[chosen, ended.epochs[chosen] - 1]),
            "rank": int(recorded.ranks[chosen]),
            "config_id": recorded.keys[chosen].config_id,
            "seconds": ended.seconds,
        }


def summarise(replayed: pd.DataFrame) -> pd.DataFrame:
    """Return one row per setting, over all studies and orders of `replay`, the fewest epochs first.

    Columns: the setting; ``epochs`` (mean), ``saved``, ``regret``, ``regret_spread`` (standard deviation), ``rank``,
    ``found`` (share that chose the exhaustive best), ``seconds``, ``seconds_spread``; ``best_trade``: no other setting
    loses as little with as few epochs.
    """
    frame = replayed.groupby(_SETTING, sort=False, dropna=False, as_index=False).agg(
        epochs=("epochs", "mean"),
        epochs_spread=("epochs", _spread),
        saved=("saved", "mean"),
        regret=("regret", "mean"),
        regret_spread=("regret", _spread),
        rank=("rank", "mean"),
        rank_spread=("rank", _spread),
        found=("rank", lambda ranks: (ranks == 1).mean()),
        seconds=("seconds", "mean"),
        seconds_spread=("seconds", _spread),
    )
    frame = frame.sort_values(["epochs", "regret"], kind="stable", ignore_index=True)
    least = frame["regret"].cummin()
    return frame.assign(best_trade=(frame["regret"] <= least) & (least < least.shift(fill_value=np.inf)))


def _spread(values: pd.Series) -> float:
    return float(values.std(ddof=0))


def recommended(table: pd.DataFrame, tolerance: float) -> pd.Series:
    """Return the setting with the fewest epochs among those that lose at most ``tolerance`` of accuracy on average.

    ``InputError`` where none does.
    """
    good = table[table["regret"] <= tolerance]
    if good.empty:
        raise InputError(f"no setting loses at most {tolerance:g}; the least is {table['regret'].min():.4f}")
    return good.iloc[0]


def judged(chosen_on: pd.DataFrame, judged_on: pd.DataFrame) -> pd.DataFrame:
    """Join two tables of `summarise`, in the order of the first: chosen on some studies, judged on others.

    Columns: the setting, ``best_trade`` of the first, and of each ``epochs``, ``saved``, ``regret``, ``rank`` and
    ``found``, with their spreads; those of the second end in ``_judged``.
    """
    shown = [name for name in judged_on if name not in (*_SETTING, "best_trade", "seconds", "seconds_spread")]
    second = judged_on[[*_SETTING, *shown]].rename(columns={name: f"{name}_judged" for name in shown})
    return chosen_on[[*_SETTING, *shown, "best_trade"]].merge(second, on=_SETTING, how="left")


def as_options(setting: pd.Series) -> str:
    """Return a row of `summarise` as command-line options."""
    words = [f"--scheduler {setting['scheduler']}"]
    for name in _SETTING[1:]:
        if pd.notna(setting[name]):
            words.append(f"--{name.replace('_', '-')} {setting[name]}")
    return " ".join(words)
