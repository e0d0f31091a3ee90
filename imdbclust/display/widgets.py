"""Bars and controls in JupyterLab. Controls need ipywidgets, an optional package."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING

from imdbclust import wording
from imdbclust.display.figures import figure_html, figure_svg
from imdbclust.display.render import sentence_html

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Bar:
    """A bar in a notebook, with a text before it, that is redrawn as parts are finished."""

    def __init__(self, total: int, text: str = ""):
        from IPython.display import display

        self._text, self._done, self._total = text, 0, total
        self._handle = display(self._data(), raw=True, display_id=os.urandom(8).hex())

    def advance(self) -> None:
        """Count a part."""
        self._done += 1
        if self._handle:  # None where a notebook is run as a script
            self._handle.update(self._data(), raw=True)

    def _data(self) -> dict[str, str]:
        bar = f'<progress value="{self._done}" max="{self._total}"></progress>'
        text = self._text or f"{self._done} of {self._total}"
        return {"text/plain": text, "text/html": f"<p>{escape(self._text)} {bar}</p>"}


def slider(name: str, values: Sequence[float], value: float, draw: Callable[[float], Axes]) -> None:
    """Show a figure below a slider that draws it again for another value.

    Without ipywidgets, a sentence says how to install it.

    Parameters
    ----------
    name : str
        What the slider sets, such as ``n_clusters``.
    values : sequence of numbers
        Values to choose from.
    value : number
        First value. If it is not one of `values`, the nearest of them is the first.
    draw : callable
        Returns the axes of a new figure for a value.
    """
    from IPython.display import HTML, display

    try:
        import ipywidgets
    except ImportError:
        display(HTML(sentence_html(wording.sentence("no_widgets"), "text")))
        return
    first = min(values, key=lambda one: abs(one - value))
    control = ipywidgets.SelectionSlider(
        options=list(values), value=first, description=name, continuous_update=False
    )
    picture = ipywidgets.HTML()

    def show(_: object = None) -> None:
        import matplotlib.pyplot as plt

        figure, caption = draw(control.value).figure, f"{name} = {control.value}"
        svg = figure_svg(figure, name=f"slider-{name}")
        picture.value = figure_html(svg, caption=caption, alt=caption, name=f"slider-{name}")
        plt.close(figure)

    control.observe(show, names="value")
    show()
    display(ipywidgets.VBox([control, picture]))
