"""How long the pages of a run take, once its notebooks are executed."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sys
import tempfile
from pathlib import Path

from imdbclust.bench.timing import Cost, Options, Part, cost_of_call, cost_of_command, take_turns

QUICK = {"n_clusters": 6, "n_components": 8, "n_init": 2, "evaluation": "off"}
"""A run that is over soon, for films of any number."""


def measure(options: Options) -> Part:
    """Render all pages of a run in this process, and its notebooks by nbconvert's command."""
    from imdbclust.running.pages.report import render_run
    from imdbclust.running.run import run

    with tempfile.TemporaryDirectory() as scratch:
        with contextlib.redirect_stdout(io.StringIO()):
            folder = run(
                dataset=options.dataset,
                parameters=QUICK if options.quick else {"evaluation": "off"},
                name="rendered",
                out=Path(scratch),
            )
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        notebooks = sorted((folder / "notebooks").glob("*.ipynb"))
        theirs = Path(scratch) / "nbconvert"
        command = [
            sys.executable,
            "-m",
            "jupyter",
            "nbconvert",
            "--to",
            "html",
            "--log-level=ERROR",
        ]
        command += ["--output-dir", str(theirs), *map(str, notebooks)]

        def by_nbconvert() -> Cost:
            shutil.rmtree(theirs, ignore_errors=True)
            return cost_of_command(command)

        comparison = take_turns(
            f"{len(notebooks) + 1} pages of a run",
            lambda: cost_of_call(render_run, folder, manifest),
            by_nbconvert,
            runs=1 if options.quick else options.runs,
            note="the command's start is part of it; it makes no overview and checks nothing",
        )
        ours_mb = sum(path.stat().st_size for path in folder.glob("*.html")) / 1e6
        theirs_mb = sum(path.stat().st_size for path in theirs.glob("*.html")) / 1e6
    about = (
        "The notebooks of a run, executed already, become pages: in the process that executed "
        "them, checked by the gate, beside `jupyter nbconvert --to html` on the same files. "
        f"Ours have {ours_mb:.1f} MB together, the others {theirs_mb:.1f} MB."
    )
    return Part("rendering", "How long do the pages of a run take?", about, [comparison])
