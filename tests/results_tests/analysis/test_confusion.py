"""The confusion matrix of a promoted network, from the record."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import results
from results.analysis.confusion import confusion
from results.analysis.rows import TooFewError
from results.judging.measures import judge
from results.record.study import Study
from tests.support.recorded import record

GENRES = ("<b>pop", "rap", "rock")


def test_held_out_rows_come_before_those_that_chose(tmp_path: Path) -> None:
    study = record(tmp_path / "s", "asha")
    with pytest.raises(TooFewError, match="no network has been promoted"):
        confusion(study)
    assert not results.plot_confusion(study).data
    labels, chances = np.array([0, 0, 1, 1]), np.eye(3)[[0, 1, 1, 1]] * 0.7 + 0.1
    for side, rows in (("validation", 2), ("holdout", 4)):
        with Study.open_for_writing(study) as opened, opened.transaction():
            opened.add_judgements([judge("other", side, GENRES, chances, labels)])
            before = [one for one in opened.judgements if one.model == "best"]
            opened.add_judgements([*before, judge("best", side, GENRES, chances[:rows], labels[:rows])])
        found = confusion(study)
        assert found.judgement.side == side and found.judgement.rows == rows
    assert found.counts.to_numpy().tolist() == [[1, 1, 0], [0, 2, 0], [0, 0, 0]]
    assert found.shares.loc["<b>pop"].tolist() == [0.5, 0.5, 0] and found.shares.loc["rock"].isna().all()
    (heatmap,) = results.plot_confusion(study).data
    assert heatmap.y[0] == "&lt;b&gt;pop" and [*heatmap.z[2]] == [None] * 3 and [*heatmap.customdata[1]] == [0, 2, 0]
    with Study.open(study) as opened:
        assert [one.model for one in opened.judgements] == ["other", "best", "best"]
