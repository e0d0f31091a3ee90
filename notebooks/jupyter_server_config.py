"""Configuration of JupyterLab for ``make lab``; it overrides the user's own.

A page that reaches the server can run any code. The server therefore listens on this machine only
and asks for a token that is new at every start. The token is printed, for those who work over SSH.

Notebooks are saved without outputs, so that working in them leaves the sources clean.
"""

import os
import secrets
import warnings
from pathlib import Path

VARIABLE = "IMDBCLUST_LAB_TOKEN"  # Jupyter reads this file twice
if VARIABLE not in os.environ:
    os.environ[VARIABLE] = secrets.token_hex(24)
    print(f"If a browser asks for a token, or over SSH: {os.environ[VARIABLE]}", flush=True)


def strip_outputs(model, **_):
    """Remove what executing a notebook adds to it, before it is saved."""
    if model["type"] != "notebook" or model["content"]["nbformat"] != 4:
        return
    about = model["content"]["metadata"]
    names = {"display_name": "Python 3", "language": "python", "name": "python3"}
    if about.get("kernelspec", {}).get("language") == "python":
        about.update(kernelspec=names, language_info={"name": "python"})
    for cell in model["content"]["cells"]:
        for name in ("execution", "trusted"):
            cell["metadata"].pop(name, None)
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)


# `labconfig` next to this file keeps JupyterLab from asking about news
paths = [str(Path(__file__).resolve().parent), os.environ.get("JUPYTER_CONFIG_PATH", "")]
os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, paths))

c = get_config()  # noqa: F821 (provided by Jupyter)
c.ServerApp.ip = "localhost"
c.ServerApp.allow_remote_access = False
c.ServerApp.allow_origin = ""
c.ServerApp.allow_origin_pat = ""
c.ServerApp.disable_check_xsrf = False
c.IdentityProvider.token = os.environ[VARIABLE]
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.FileContentsManager.pre_save_hook = strip_outputs
warnings.filterwarnings("ignore", "Overriding existing pre_save_hook")  # by the same one
