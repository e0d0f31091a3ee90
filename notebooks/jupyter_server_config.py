"""What ``make lab`` starts JupyterLab with, whatever the user's own configuration says.

A page that reaches the server can run any code, so it listens on this machine only, and to nobody
who does not have this start's token.
"""

import secrets

c = get_config()  # noqa: F821 (Jupyter gives it)
c.ServerApp.ip = "localhost"
c.ServerApp.allow_remote_access = False
c.ServerApp.allow_origin = ""
c.ServerApp.allow_origin_pat = ""
c.ServerApp.disable_check_xsrf = False
c.IdentityProvider.token = secrets.token_hex(24)
