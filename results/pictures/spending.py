"""How a study spent its time, drawn: segments on workers, and the best accuracy so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from results.analysis.rows import AnyStudy
from results.analysis.spending import Timeline, best_so_far, timeline
from results.pictures.style import BLUE, GREY, RED, SCALE, drawn, styled
from results.rendering.figures import plotly_texts

if TYPE_CHECKING:
    import plotly.graph_objects as go

_AGAINST = {"seconds": "seconds of training", "epochs": "epochs trained, of all configurations"}


def plot_timeline(study: AnyStudy) -> go.Figure:
    """Draw when each segment trained on which worker, coloured by its last epoch, failed ones marked.

    Time in which nothing trained for over a minute is cut out, and a line says where and how long. A study without a
    segment gives a figure that says so. Raises ``InputError`` where there is no study.
    """
    return drawn(study, timeline, draw_timeline)


def plot_best_so_far(study: AnyStudy) -> go.Figure:
    """Draw the best accuracy so far against seconds and against epochs, in two panels.

    A study without a score gives a figure that says so. Raises ``InputError`` where there is no study.
    """
    return drawn(study, best_so_far, draw_best_so_far)


def draw_timeline(found: Timeline) -> go.Figure:
    """Draw a row per worker and a bar per segment."""
    import plotly.graph_objects as go

    segments = found.segments
    names = list(dict.fromkeys(segments["worker"]))
    figure = go.Figure()
    trained, failed = segments[~segments["failed"]], segments[segments["failed"]]
    marker = {"color": _colours(trained["last_epoch"]), "line": {"width": 0.5, "color": GREY}}
    figure.add_bar(**_bars(trained), name="segments", marker=marker)
    figure.add_scatter(**_colour_bar(trained["last_epoch"]))
    if len(failed):
        figure.add_bar(**_bars(failed), name="failed", marker={"color": RED, "pattern": {"shape": "x"}})
    for at, seconds in found.pauses.itertuples(index=False):
        text = f"nothing trained for {seconds:,.0f} s"
        figure.add_vline(x=at, line={"dash": "dot", "color": GREY}, annotation_text=text)
    styled(figure, height=160 + 30 * len(names)).update_layout(barmode="overlay", showlegend=bool(len(failed)))
    figure.update_xaxes(title="seconds of training")
    order = {"categoryorder": "array", "categoryarray": plotly_texts(names[::-1])}
    return figure.update_yaxes(title="worker (host and process)", type="category", automargin=True, **order)


def _colours(epochs: pd.Series) -> list[str]:
    """Return the colours of epochs; Plotly reads numbers as the colours of bars, but complains of each."""
    from plotly.colors import sample_colorscale

    shares = (epochs - epochs.min()) / max(1, epochs.max() - epochs.min()) if len(epochs) else epochs
    return list(sample_colorscale(SCALE, shares.tolist())) if len(epochs) else []


def _colour_bar(epochs: pd.Series) -> dict[str, object]:
    """Return a trace without a point, beside which the scale of `_colours` stands."""
    ends = {"cmin": epochs.min(), "cmax": epochs.max()} if len(epochs) else {}
    bar = {"color": [0], "colorscale": SCALE, "colorbar": {"title": "last epoch"}, "showscale": True, **ends}
    return {"x": [None], "y": [None], "mode": "markers", "marker": bar, "showlegend": False, "hoverinfo": "skip"}


def _bars(segments: pd.DataFrame) -> dict[str, object]:
    about = segments[["segment_id", "first_epoch", "last_epoch", "members"]].assign(
        error=[f"<br>{text}" if text else "" for text in plotly_texts(list(segments["error"].fillna("")))]
    )
    return {
        "orientation": "h",
        "base": segments["began"],
        "x": segments["ended"] - segments["began"],
        "y": plotly_texts(list(segments["worker"])),
        "customdata": about.to_numpy().tolist(),
        "hovertemplate": "segment %{customdata[0]}: %{customdata[3]} configurations, epochs %{customdata[1]} to "
        "%{customdata[2]}, %{x:.2f} s%{customdata[4]}<extra></extra>",
    }


def draw_best_so_far(progress: pd.DataFrame) -> go.Figure:
    """Draw two panels of steps with one axis of accuracy."""
    from plotly.subplots import make_subplots

    known = progress.dropna(subset=["best"])
    figure = make_subplots(rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.04)
    for column, (name, title) in enumerate(_AGAINST.items(), start=1):
        figure.add_scatter(
            x=known[name],
            y=known["best"],
            mode="lines",
            line={"shape": "hv", "color": BLUE},
            customdata=known["config_id"],
            hovertemplate=f"%{{x:.0f}} {name}: %{{y:.4f}} by %{{customdata}}<extra></extra>",
            showlegend=False,
            row=1,
            col=column,
        )
        figure.update_xaxes(title=title, rangemode="tozero", row=1, col=column)
    return styled(figure).update_yaxes(title="best validation accuracy so far", col=1)
