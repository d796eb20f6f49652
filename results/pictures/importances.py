"""What mattered, drawn: importances by two methods, main effects, and the two strongest parameters together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.analysis.importance import Importance, Importances, importance, importances
from results.analysis.rows import AnyStudy
from results.pictures.style import BLUE, ORANGE, SCALE, drawn, empty_figure, styled
from results.rendering.figures import plotly_texts

if TYPE_CHECKING:
    import plotly.graph_objects as go

_PANELS = 4
"""Panels beside each other."""


def plot_importances(study: AnyStudy, epochs: int | None = None) -> go.Figure:
    """Draw each parameter's importance by fANOVA and by PED-ANOVA, which ask different things and may differ.

    ``epochs`` is as in `importance`. A study with too few configurations to compare gives a figure that says so. Raises
    ``InputError`` where there is no study.
    """
    return drawn(study, lambda rows: importances(rows, epochs), draw_both_importances)


def plot_main_effects(study: AnyStudy, epochs: int | None = None) -> go.Figure:
    """Draw the mean accuracy by the value of each parameter; ``epochs`` and errors as in `plot_importances`."""
    return drawn(study, lambda rows: importance(rows, epochs), draw_effects)


def plot_interaction(study: AnyStudy, epochs: int | None = None) -> go.Figure:
    """Draw the mean accuracy by the values of the two strongest parameters together.

    ``epochs`` and errors are as in `plot_importances`; a space of one parameter gives a figure that says so.
    """

    def draw(found: Importance) -> go.Figure:
        return draw_pairs(found) if len(found.pairs) else empty_figure("The space has one parameter.")

    return drawn(study, lambda rows: importance(rows, epochs), draw)


def draw_both_importances(found: Importances) -> go.Figure:
    """Draw two bars per parameter, the strongest on top."""
    import plotly.graph_objects as go

    rows = found.parameters.iloc[::-1]
    figure = go.Figure()
    # the first bar of a group stands lowest
    for column, name, colour in (
        ("ped_anova", "PED-ANOVA: what the best tenth has in common", ORANGE),
        ("fanova", "fANOVA: what moves accuracy anywhere", BLUE),
    ):
        hover = f"%{{y}}: %{{x:.3f}} by {name.partition(':')[0]}<extra></extra>"
        figure.add_bar(
            x=rows[column],
            y=rows["parameter"],
            orientation="h",
            name=name,
            marker={"color": colour},
            hovertemplate=hover,
        )
    styled(figure, height=140 + 40 * len(rows)).update_layout(barmode="group", legend={"traceorder": "reversed"})
    return figure.update_xaxes(title="share of importance, by each method").update_yaxes(automargin=True)


def draw_importances(found: Importance) -> go.Figure:
    """Draw shares of the explained variance as bars, the strongest on top."""
    import plotly.graph_objects as go

    known = found.parameters.dropna().iloc[::-1]
    bars = go.Bar(x=known["importance"], y=known["parameter"], orientation="h", hovertemplate="%{y}: %{x:.3f}")
    figure = styled(go.Figure(bars), height=160 + 30 * len(known))
    return figure.update_xaxes(title="share of explained variance").update_yaxes(automargin=True)


def draw_effects(found: Importance) -> go.Figure:
    """Draw mean accuracy by value, one panel per parameter, with the standard deviation of the configurations."""
    from plotly.subplots import make_subplots

    names = list(found.parameters["parameter"])
    rows = -(-len(names) // _PANELS)
    figure = make_subplots(
        rows=rows,
        cols=min(_PANELS, len(names)),
        shared_yaxes="all",
        subplot_titles=names,
        vertical_spacing=0.45 / rows,
    )
    for place, name in enumerate(names):
        own = found.effects[found.effects["parameter"] == name]
        figure.add_scatter(
            x=plotly_texts(list(own["value"])),
            y=own["mean"],
            error_y={"type": "data", "array": own["spread"].fillna(0.0)},
            mode="markers",
            marker={"size": 10, "color": BLUE},
            customdata=own["count"],
            hovertemplate="%{x}: %{y:.4f} over %{customdata}<extra></extra>",
            showlegend=False,
            row=place // _PANELS + 1,
            col=place % _PANELS + 1,
        )
    styled(figure, height=120 + 240 * rows).update_xaxes(type="category")
    return figure.update_yaxes(title="validation accuracy", col=1)


def draw_pairs(found: Importance) -> go.Figure:
    """Draw mean accuracy by the values of the two strongest parameters."""
    import plotly.graph_objects as go

    table = found.pairs.pivot(index="second", columns="first", values="mean")
    order = {side: list(dict.fromkeys(found.pairs[side])) for side in ("first", "second")}
    table = table.loc[order["second"], order["first"]]
    heatmap = go.Heatmap(
        x=plotly_texts(order["first"]),
        y=plotly_texts(order["second"]),
        z=table.astype(object).where(table.notna(), None).to_numpy().tolist(),
        colorscale=SCALE,
        colorbar={"title": "mean<br>accuracy"},
        texttemplate="%{z:.4f}",
        hovertemplate="%{x}, %{y}: %{z:.4f}<extra></extra>",
    )
    first, second = found.strongest
    figure = styled(go.Figure(heatmap), height=220 + 60 * len(table))
    figure.update_xaxes(type="category", title=first)
    return figure.update_yaxes(type="category", title=second, automargin=True)
