"""Tables of `search.replay` and `results.comparison` as they are read in a terminal: means with their spread."""

from __future__ import annotations

import pandas as pd


def replay_text(table: pd.DataFrame) -> pd.DataFrame:
    """Columns of text for ``frame_table``; a star marks what no other setting beats in both epochs and regret."""
    return pd.DataFrame(
        {
            "scheduler": table["scheduler"],
            "factor": table["reduction_factor"].astype("string"),
            "grace": table["grace_period"].astype("string"),
            "epochs": _with_spread(table, "epochs", 0),
            "saved": table["saved"].map("{:.0%}".format),
            "regret": _with_spread(table, "regret", 4),
            "rank": _with_spread(table, "rank", 1),
            "best found": table["found"].map("{:.0%}".format),
            "seconds": _with_spread(table, "seconds", 1),
            "": table["best_trade"].map({True: "*", False: ""}),
        }
    )


def judged_text(table: pd.DataFrame) -> pd.DataFrame:
    """As ``replay_text``, of `search.replay.judged`: each figure on the studies chosen on, then on those judged on."""
    text = {
        "scheduler": table["scheduler"],
        "factor": table["reduction_factor"].astype("string"),
        "grace": table["grace_period"].astype("string"),
    }
    for end, word in (("", ""), ("_judged", " (judged)")):
        text |= {
            f"epochs{word}": _with_spread(table, "epochs", 0, end),
            f"saved{word}": table[f"saved{end}"].map("{:.0%}".format),
            f"regret{word}": _with_spread(table, "regret", 4, end),
            f"rank{word}": _number(table[f"rank{end}"], 1),
            f"best found{word}": table[f"found{end}"].map("{:.0%}".format),
        }
    return pd.DataFrame(text | {"": table["best_trade"].map({True: "*", False: ""})})


def arms_text(arms: pd.DataFrame) -> pd.DataFrame:
    """Columns of text for ``frame_table``; to 1%: until within 1% of the exhaustive best, and how many came there.

    Where configurations have repeats, their means are compared, and the heading says so.
    """
    best = "best mean" if (arms["repeats"] > 1).any() else "best"
    near = arms["near"].astype(str) + " of " + arms["studies"].astype(str)
    return pd.DataFrame(
        {
            "arm": arms["arm"],
            "studies": arms["studies"],
            best: _with_spread(arms, "best", 4),
            "regret": _with_spread(arms, "regret", 4),
            "epochs": _number(arms["epochs"], 0),
            "seconds": _number(arms["seconds"], 1),
            "epochs to 1%": _number(arms["epochs_to_near"], 0),
            "seconds to 1%": _number(arms["seconds_to_near"], 1),
            "came there": near.where(arms["regret"].notna(), ""),
        }
    )


def _with_spread(frame: pd.DataFrame, name: str, decimals: int, end: str = "") -> pd.Series:
    spread = _number(frame[f"{name}_spread{end}"], decimals)
    return _number(frame[f"{name}{end}"], decimals) + (" ± " + spread).where(spread != "", "")


def _number(values: pd.Series, decimals: int) -> pd.Series:
    return values.map(lambda value: "" if pd.isna(value) else f"{value:,.{decimals}f}")
