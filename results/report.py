"""A study's report: the scorecard as Markdown, CSV and one self-contained page with the learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from results.exports import markdown_table, write_file, write_table
from results.figures import figure_html, page
from results.learning_curves import draw_curves, stage_curves
from results.stage_record import load_stage_curves, load_stages
from results.tables import SCORES, scorecard
from results.transfer import load_transfer


def wide_scorecard(card: pd.DataFrame) -> pd.DataFrame:
    """One row per model, as people read it: accuracy in full, precision, recall and F1 of ours and the paper's."""
    rows = []
    for (section, model), own in card.groupby(["section", "model"], sort=False):
        by = own.set_index("score")
        row = {"section": section, "model": model, "paper": by.loc["accuracy", "paper"]}
        row |= {"ours": by.loc["accuracy", "validation"], "spread": by.loc["accuracy", "spread"]}
        row |= {"difference": by.loc["accuracy", "difference"], "held out": by.loc["accuracy", "holdout"]}
        row |= {_short(name): by.loc[name, "validation"] for name in SCORES[1:]}
        row |= {f"paper's {_short(name)}": by.loc[name, "paper"] for name in SCORES[1:]}
        rows.append({**row, "seeds": by.loc["accuracy", "seeds"], "split": by.loc["accuracy", "split"]})
    return pd.DataFrame(rows)


def _short(score: str) -> str:
    return {"precision": "P", "recall": "R", "f1": "F1"}[score]


def write_report(studies: Sequence[Path], directory: Path) -> tuple[Path, ...]:
    """Write ``scorecard.md``, ``scorecard.csv`` and ``report.html`` into a directory; returns their paths."""
    card = scorecard(studies)
    wide = wide_scorecard(card)
    texts, sections = [("Scorecard", markdown_table(wide, decimals=4))], [("Scorecard", _html(wide))]
    transfer = load_transfer(studies)
    if not transfer.empty:
        texts.append(("Transfer against scratch", markdown_table(transfer, decimals=4)))
        sections.append(("Transfer against scratch", _html(transfer)))
    text = "\n\n".join(f"## {heading}\n\n{table}" for heading, table in texts) + "\n"
    for study in studies:
        sections += _study_sections(study)
    return (
        write_table(card, directory / "scorecard.csv"),
        write_file(directory / "scorecard.md", text.encode()),
        write_file(directory / "report.html", page(f"genresweep: {studies[0].name}", sections).encode()),
    )


def _study_sections(study: Path) -> list[tuple[str, str]]:
    curves = load_stage_curves(study)
    sections = [(f"{study.name}: stages", _html(load_stages(study)))]
    for stage in dict.fromkeys(curves["stage"]):
        figure = draw_curves(stage_curves(curves, stage), f"{stage}: validation accuracy by epoch")
        sections.append((f"{study.name}: {stage}", figure_html(figure, f"{study.name}-{stage}")))
    return sections


def _html(frame: pd.DataFrame) -> str:
    return str(frame.to_html(index=False, float_format="{:.4f}".format, na_rep="", border=0))
