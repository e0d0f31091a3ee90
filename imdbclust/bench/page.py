"""The pages and CSV files of the benchmark."""

from __future__ import annotations

import json
import os
import platform
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from imdbclust import __version__
from imdbclust.base.disk import replacing
from imdbclust.base.text import byte_size
from imdbclust.running.plan import versions
from imdbclust.running.store import write_json

if TYPE_CHECKING:
    import pandas as pd

COMPARED = ("scikit-network", "leidenalg", "papermill", "nbconvert")
"""Libraries whose versions the pages list in addition to those that results depend on."""


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table atomically."""
    from imdbclust.display.csv_files import table_csv

    with replacing(path) as file:
        file.write(table_csv(frame).encode("utf-8", errors="replace"))


def write_part(name: str, title: str, rows: list[dict], folder: Path) -> str:
    """Write the table of a part as ``<name>.json`` and ``<name>.csv``; return it as text."""
    import pandas as pd

    folder.mkdir(parents=True, exist_ok=True)
    found = {"name": name, "title": title, "rows": rows, "machine": machine()}
    write_json(folder / f"{name}.json", found)
    frame = pd.DataFrame(rows)
    write_csv(frame, folder / f"{name}.csv")
    shown = frame.drop(columns="note").dropna(axis="columns", how="all")
    return shown.to_string(index=False, float_format="{:,.2f}".format)


def write_speed_page(folder: Path) -> Path:
    """Write ``speed.html`` with every part whose results are in the folder.

    Raises
    ------
    imdbclust.running.pages.report.RenderError
        The page does not pass its checks.
    """
    import matplotlib.pyplot as plt
    import pandas as pd

    from imdbclust import plots
    from imdbclust.display.figures import figure_html, figure_svg
    from imdbclust.display.render import table_html
    from imdbclust.running.pages.report import render_page

    plots.set_style()
    parts = []
    for path in sorted(folder.glob("*.json")):
        part = json.loads(path.read_text(encoding="utf-8"))
        if "when" not in part.get("machine", {}):
            continue  # an older version wrote it
        name, title, frame = part["name"], part["title"], pd.DataFrame(part["rows"])
        best = frame.loc[frame["times_faster"].idxmax()]
        alt = f"Bars; the longest is {best['what']}, {best['times_faster']:.1f} times faster."
        caption = f"{title}: times faster, median and range of the pairs."
        axes = plots.plot_ratios(frame)
        svg = figure_svg(axes.figure, name=f"speed-{name}")
        part["figure"] = figure_html(svg, caption=caption, alt=alt, name=f"speed-{name}")
        plt.close(axes.figure)
        table = table_html(frame.dropna(axis="columns", how="all"), caption=title, name=name)
        part["table"] = table.replace("tables/", "")
        parts.append(part)
    return render_page("speed.html.j2", folder / "speed.html", measured=parts)


def write_quality_page(table: pd.DataFrame, path: Path, **about) -> Path:
    """Write the page of a finished table next to ``quality.csv``; `about` is for the template.

    Raises
    ------
    imdbclust.running.pages.report.RenderError
        The page does not pass its checks; it is written nevertheless.
    """
    from imdbclust.display.render import table_html
    from imdbclust.running.pages.report import render_page

    caption = "Agreement of fits, information about genres, sizes of clusters and cost"
    shown = table_html(table, caption=caption, name="quality").replace("tables/", "")
    return render_page("bench.html.j2", path, table=shown, machine=machine(), **about)


def machine() -> dict[str, object]:
    """Describe the machine, without its name or its user's, and the versions of libraries."""
    import psutil

    found = {"imdbclust": __version__, **versions()}
    for library in COMPARED:
        with suppress(PackageNotFoundError):
            found[library] = version(library)
    processor = platform.processor()
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next(line for line in lines if line.startswith("model name")).split(": ")[-1]
    affinity = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))
    return {
        "cores": len(affinity(0)),
        "memory": byte_size(psutil.virtual_memory().total),
        "processor": processor or "unknown processor",
        "system": f"{platform.system()} {platform.machine()}",
        "threads": os.environ.get("OMP_NUM_THREADS", ""),
        "versions": found,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }
