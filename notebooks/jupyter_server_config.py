"""Settings with which ``make lab`` starts JupyterLab; they override the user's configuration.

Anyone who can connect to the server can run arbitrary code. It therefore accepts connections from
this machine only, and only with a token that is new for every start.
"""

import secrets

c = get_config()  # noqa: F821 (Jupyter gives it)
c.ServerApp.ip = "localhost"
c.ServerApp.allow_remote_access = False
c.ServerApp.allow_origin = ""
c.ServerApp.allow_origin_pat = ""
c.ServerApp.disable_check_xsrf = False
c.IdentityProvider.token = secrets.token_hex(24)
