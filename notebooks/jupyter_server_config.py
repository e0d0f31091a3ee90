"""Configuration of JupyterLab for ``make lab``; it overrides the user's own.

A page that reaches the server can run any code. The server therefore listens on this machine only
and asks for a token that is new at every start.
"""

import secrets

c = get_config()  # noqa: F821 (provided by Jupyter)
c.ServerApp.ip = "localhost"
c.ServerApp.allow_remote_access = False
c.ServerApp.allow_origin = ""
c.ServerApp.allow_origin_pat = ""
c.ServerApp.disable_check_xsrf = False
c.IdentityProvider.token = secrets.token_hex(24)
