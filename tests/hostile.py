"""Texts that break pages, figures, tables and spreadsheets, and films that are full of them."""

import json
import re
from pathlib import Path
from random import Random

ALERT = "window.hit=1"

HOSTILE = (
    # markup and scripts
    f"<script>{ALERT}</script>",
    f'"><img src=x onerror={ALERT}>',
    f"'><svg onload={ALERT}>",
    f"</script><script>{ALERT}</script>",
    f"</title></style></textarea><script>{ALERT}</script>",
    f"<img src=x onerror={ALERT}//",
    f"<body onload={ALERT}>",
    f'" onmouseover="{ALERT}" x="',
    f"' onfocus='{ALERT}' autofocus='",
    f"<iframe srcdoc='<script>parent.{ALERT}</script>'></iframe>",
    f"<details open ontoggle={ALERT}>",
    f"<a href=javascript:{ALERT}>click</a>",
    f"javascript:{ALERT}",
    f"data:text/html,<script>{ALERT}</script>",
    f"<math><mtext></math><script>{ALERT}</script>",
    f"<svg><style><img src=x onerror={ALERT}>",
    f"<noscript><p title='</noscript><img src=x onerror={ALERT}>'>",
    "<style>*{display:none!important}</style>",
    "<link rel=stylesheet href=https://example.org/x.css>",
    "<base href=https://example.org/>",
    "<meta http-equiv=refresh content=0;url=https://example.org>",
    "<h1>second heading</h1>",
    "<!-- never closed",
    "--!> --> <!--<script>",
    "]]> <![CDATA[",
    "<?php echo 1 ?>",
    "</table></figure></main></body></html>",
    "<plaintext>",
    "<table><tr><td>",
    "&lt;b&gt; &amp;amp; &#60;script&#62; &nbsp",
    "&#x0; &#xD800; &notanentity;",
    # formulas and Markdown
    "Ca$h $$ \\frac{",
    "$x^2$ and $y_1$",
    "$$\\sum_{i}$$",
    "\\(a\\) \\[b\\] \\begin{matrix}",
    "*stars* _lines_ `code` [a](javascript:alert) ![b](x)",
    "# Heading",
    "|a|b|\n|-|-|",
    # templates and formats
    "{{ 7*7 }}",
    "{% raw %} {# no #}",
    "${7*7} #{7*7} <%= 7*7 %>",
    "%s %d %n %(x)s",
    "{0} {x!r} {",
    "$(id) `id` ; rm -rf / | x",
    "'; DROP TABLE movies; --",
    "../../etc/passwd",
    # formulas of spreadsheets
    '=HYPERLINK("https://example.org","x")',
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3+cmd",
    "@SUM(1+1)",
    "'=already quoted",
    "\t=after a tab",
    "＝full width",
    "1,234.5",
    'quo"ted, with "commas", and; semicolons',
    # words that are taken for something else
    "NA",
    "nan",
    "None",
    "true",
    "007",
    "-1",
    "__proto__",
    "constructor",
    # scripts, directions, control characters
    "\u202egnirts desrever\u202c",
    "\u2067\u202eleft open",
    "שלום עולם",
    "مرحبا بالعالم",
    "\u200bzero\u200dwidth\ufeff",
    "Z͑ͫa̴l̡͊g͎o̷",
    "👩‍👩‍👧‍👦 🎬 🏴‍☠️",
    "電影 фильм ταινία",
    "a\x00b\x07c\x1b[31md",
    "carriage\rreturn",
    "line\nbreak\r\ntwice",
    "line\u2028separator\u2029",
    "\x85\x9b31m",
    "\ufffe\uffff",
    # sizes
    "x" * 4000,
    "long words " * 360,
    "\U0001f3ac" * 500,
)


def as_id(text: str) -> str:
    """Return a text as a part of an id; in ids the reader refuses control characters."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda found: f"\\x{ord(found[0]):02x}", text)


def write_hostile_films(path: Path, n_movies: int = 240, n_troupes: int = 6) -> list[dict]:
    """Write films in which every text of `HOSTILE` is a title, an actor's name and a genre.

    Names are ids, as they are where a source has none. Returns the records.
    """
    random = Random(5)
    names = [*HOSTILE, *(f"Actor {number}" for number in range(2 * len(HOSTILE)))]
    random.shuffle(names)
    troupes = [names[number::n_troupes] for number in range(n_troupes)]
    records = []
    for number in range(n_movies):
        text, troupe = HOSTILE[number % len(HOSTILE)], number % n_troupes
        cast = [names[number % len(names)], *random.sample(troupes[troupe], 5)]
        # of a few genres each film has one, so that some of the hostile ones are common
        genres = {text: None, HOSTILE[troupe]: None, "Drama": None}
        records.append(
            {
                "imdb_id": f"m{number} {as_id(text)}" if number < len(HOSTILE) else f"m{number}",
                "title": text,
                "genres": list(genres),
                "actors": [[as_id(name), name] for name in dict.fromkeys(cast)],
                "year": 1950 + number * number % 61,
                "rating": {"avg": random.randint(10, 99) / 10, "votes": number},
            }
        )
    path.write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
    return records
