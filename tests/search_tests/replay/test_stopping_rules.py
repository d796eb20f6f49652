from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.tune.schedulers import MedianStoppingRule

from results.record.records import TrialKey
from search.replay.stopping_rules import HyperBand, MedianStopping, brackets

EPOCHS = 6


def keys(count: int) -> list[TrialKey]:
    return [TrialKey(f"{number:012x}", 42) for number in range(count)]


class Trial:
    """What Tune's rule wants of a trial: a name, and to be a key."""

    def __init__(self, key: TrialKey) -> None:
        self.trial_id = key.config_id


class TuneMedian:
    """Tune's own rule, told of made-up trials."""

    def __init__(self, grace_period: int) -> None:
        self._rule = MedianStoppingRule(metric="score", mode="max", time_attr="epoch", grace_period=grace_period)
        self._controller: Any = SimpleNamespace(get_live_trials=list)
        self._trials: dict[TrialKey, Any] = {}

    def goes_on(self, key: TrialKey, epoch: int, score: float) -> bool:
        result = {"epoch": epoch, "score": score}
        trial = self._trials.setdefault(key, Trial(key))
        return self._rule.on_trial_result(self._controller, trial, result) == "CONTINUE"


# sixteenths, so that sums are exact in whatever order they are taken
scores = st.integers(0, 16).map(lambda sixteenths: sixteenths / 16)
curves_of_all = st.lists(st.lists(scores, min_size=EPOCHS, max_size=EPOCHS), min_size=1, max_size=8)


class TestMedianStopping:
    @given(curves_of_all, st.integers(1, EPOCHS), st.randoms())
    def test_is_tunes_in_any_order_of_arrival(self, curves: list[list[float]], grace: int, random: Any) -> None:
        ours, theirs = MedianStopping(grace, EPOCHS), TuneMedian(grace)
        running = dict.fromkeys(keys(len(curves)), 0)
        while running:
            key = random.choice(list(running))
            epoch = running[key] = running[key] + 1
            score = curves[int(key.config_id, 16)][epoch - 1]
            goes_on = theirs.goes_on(key, epoch, score)
            if epoch == EPOCHS:
                del running[key]
                continue
            assert ours.report(epoch, {key: score})[0].promoted == goes_on
            if not goes_on:
                del running[key]

    def test_a_stack_is_recorded_before_it_is_judged(self) -> None:
        decisions = MedianStopping(1, EPOCHS).report(1, dict(zip(keys(4), (0.1, 0.2, 0.3, 0.4), strict=True)))
        assert [d.cutoff for d in decisions] == [0.3, 0.3, 0.2, 0.2]
        assert [d.promoted for d in decisions] == [False, False, True, True]

    def test_too_few_others_and_no_number_stop_nobody_else(self) -> None:
        rule, names = MedianStopping(1, EPOCHS), keys(5)
        for key, score in zip(names[:3], (0.5, 0.5, float("nan")), strict=True):
            assert rule.report(1, {key: score})[0].cutoff is None
        assert rule.report(1, {names[3]: 0.1})[0].promoted, "two others have a number: that is too few"
        assert not rule.report(1, {names[4]: 0.1})[0].promoted


class TestHyperBand:
    def test_the_brackets_of_the_paper(self) -> None:
        """Li et al. (2018), Table 1: R = 81, eta = 3."""
        assert brackets(3, 81) == [
            (81, (1, 3, 9, 27)),
            (34, (3, 9, 27)),
            (15, (9, 27)),
            (8, (27,)),
            (5, ()),
        ]

    @given(st.integers(2, 5), st.integers(1, 2000))
    def test_milestones_rise_within_the_budget(self, factor: int, epochs: int) -> None:
        shapes = brackets(factor, epochs)
        assert shapes[-1][1] == ()
        for size, milestones in shapes:
            assert size >= 1 and list(milestones) == sorted(set(milestones))
            assert all(1 <= milestone < epochs for milestone in milestones)

    @given(st.integers(1, 40), st.data())
    def test_each_bracket_is_halved_by_itself(self, count: int, data: Any) -> None:
        """Factor 2, 4 epochs: brackets of 4 (rungs 1, 2), 3 (rung 2) and 3 (none), in the order of arrival."""
        names = keys(count)
        quality = {key: data.draw(scores) for key in names}
        rule, ended = HyperBand(2, 4, names), {}
        going = list(names)
        for epoch in (1, 2):
            decisions = [d for key in going for d in rule.report(epoch, {key: quality[key]})]
            assert {d.key for d in decisions} == set(going), "the last to arrive brings the decisions for all"
            ended |= {d.key: epoch for d in decisions if not d.promoted}
            going = [d.key for d in decisions if d.promoted]
        expected = {}
        for start in range(0, count, 10):
            first, second = names[start : start + 4], names[start + 4 : start + 7]
            ranked = sorted(first, key=lambda key: -quality[key])
            half = max(1, len(first) // 2)
            expected |= dict.fromkeys(ranked[half:], 1) | dict.fromkeys(ranked[max(1, half // 2) : half], 2)
            ranked = sorted(second, key=lambda key: -quality[key])
            expected |= dict.fromkeys(ranked[max(1, len(second) // 2) :], 2)
        assert ended == expected

    def test_a_bracket_does_not_wait_for_who_ended_by_itself(self) -> None:
        a, b, c, d = keys(4)
        rule = HyperBand(2, 4, [a, b, c, d])
        assert rule.report(1, {a: 0.1, b: 0.2, c: 0.3}) == []
        decisions = rule.withdraw(d)
        assert {decision.key: decision.promoted for decision in decisions} == {a: False, b: True, c: True}

    @pytest.mark.parametrize("missing", [None, float("nan")])
    def test_no_number_ranks_last(self, missing: float | None) -> None:
        a, b = keys(2)
        decisions = HyperBand(2, 2, [a, b]).report(1, {a: missing, b: 0.0})
        assert [(decision.key, decision.promoted) for decision in decisions] == [(b, True), (a, False)]
