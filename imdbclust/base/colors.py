"""The two colours of a figure that a page replaces by its own, in light and dark."""

INK = "#010101"  # of text and lines; on a page, the colour of its text
GROUND = "#fefefe"  # behind labels; on a page, the colour of its background
