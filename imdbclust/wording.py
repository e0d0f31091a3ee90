"""Every sentence that a report can contain: findings, captions, alternative texts, warnings.

One module, so that one reader can proof-read all of them.
"""

from __future__ import annotations
