"""What every page must satisfy: self-contained, no script but ours, every picture described.

A page loads nothing and runs only scripts that it names by their hash, both in its content security
policy and here.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

from imdbclust.base.errors import Failure

TEMPLATES = Path(__file__).parent / "templates"
MAX_BYTES = 2_000_000
SCRIPT = (TEMPLATES / "report" / "report.js").read_text(encoding="utf-8")


class RenderError(Failure):
    """Pages failed their checks; `problems` and the message list each as ``page: problem``."""

    def __init__(self, problems):
        self.problems = list(problems)
        super().__init__("the report has problems:\n  " + "\n  ".join(self.problems))


def script_hash(script: str) -> str:
    """Return the hash that identifies an inline script in a content security policy."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def policy(*scripts: str) -> str:
    """Return the content security policy of a page that loads nothing and runs only `scripts`."""
    rules = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"
    hashes = " ".join(f"'{script_hash(script)}'" for script in scripts)
    return f"{rules}; form-action 'none'" + (f"; script-src {hashes}" if hashes else "")


def check_page(
    html: str, *, page: str, scripts: Sequence[str] = (SCRIPT,), max_bytes: int = MAX_BYTES
) -> list[str]:
    """Return every problem of a page once, after the name `page`; empty for a good page.

    `scripts` are the inline scripts that are allowed, verbatim.
    """
    checker = _Checker(scripts)
    checker.feed(html)
    checker.close()
    if not checker.has_policy:
        checker.problems.append("no content security policy at the top")
    if checker.headings != 1:
        checker.problems.append(f"{checker.headings} h1 headings instead of one")
    if (size := len(html.encode("utf-8", errors="replace"))) > max_bytes:
        checker.problems.append(f"{size / 1e6:.1f} MB, more than {max_bytes / 1e6:.0f} MB")
    return [f"{page}: {problem}" for problem in dict.fromkeys(checker.problems)]


class _Checker(HTMLParser):
    """Collects the problems of a page while parsing it."""

    LOADING = frozenset({"src", "srcset", "poster", "background", "data", "ping", "xlink:href"})
    LIVE = frozenset({"iframe", "frame", "object", "embed", "applet", "base", "form"})
    # placeholders that nbconvert and other programs use for a description
    EMPTY_ALTS = ("", "no description has been provided for this image", "image", "figure", "plot")
    LOADING_CSS = re.compile(r"@import|url\(\s*[\"']?(?!data:|#)[^\s\"')]+", re.IGNORECASE)

    def __init__(self, scripts):
        super().__init__()
        self.problems, self.headings, self.has_policy = [], 0, False
        self._scripts, self._ids, self._within, self._previous = scripts, set(), "", ""

    def handle_starttag(self, tag, attrs):
        values = {name: value or "" for name, value in attrs}
        self._within = tag if tag in ("style", "script") else ""
        self.headings += tag == "h1"
        if self._previous == "head" and tag == "meta":
            is_policy = values.get("http-equiv", "").lower() == "content-security-policy"
            self.has_policy = is_policy and "default-src 'none'" in values.get("content", "")
        self._previous = tag
        if tag == "script":
            if values.get("type") == "application/json":  # data, which browsers do not run
                self._within = ""
            if "src" in values:
                self.problems.append(f"an external script: {values['src'][:60]!r}")
        if tag in self.LIVE:
            self.problems.append(f"the element {tag}")
        if tag == "meta" and values.get("http-equiv", "").lower() == "refresh":
            self.problems.append("redirects the reader (meta refresh)")
        if tag == "img" and values.get("alt", "").strip().lower() in self.EMPTY_ALTS:
            self.problems.append(f"a picture without a description: {values.get('src', '')[:60]!r}")
        if tag == "svg" and not values.get("aria-label", "").strip():
            self.problems.append("a drawing without a description")
        if "id" in values and values["id"] in self._ids:
            self.problems.append(f"duplicate id {values['id']!r}")
        self._ids.add(values.get("id"))
        for name, value in values.items():
            self._check_attribute(tag, name, value)

    def _check_attribute(self, tag, name, value):
        """Refuse an attribute that loads or runs something."""
        if name in self.LOADING or name == "href":
            address = "".join(value.split()).lower()
            loads = name != "href" or tag not in ("a", "area")
            if loads and not address.startswith(("data:", "#")):
                self.problems.append(f"{tag} loads {value[:80]!r}")
            if name == "href" and address.startswith(("javascript:", "vbscript:")):
                self.problems.append(f"{tag} runs {value[:80]!r}")
        if name.startswith("on"):
            self.problems.append(f"{tag} has the handler {name}")
        if name == "style" and self.LOADING_CSS.search(value):
            self.problems.append(f"the style of {tag} loads {value[:80]!r}")

    def handle_endtag(self, tag):
        self._within = ""

    def handle_data(self, data):
        if self._within == "script" and data not in self._scripts:
            self.problems.append(f"an unknown script: {data[:60]!r}")
        if self._within == "style" and (found := self.LOADING_CSS.search(data)):
            self.problems.append(f"a style sheet loads {found.group()[:80]!r}")
