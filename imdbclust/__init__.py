"""Groups of movies by who plays in them, and what the groups tell about genres and actors.

The stages, in the order in which data passes through them, are the modules ``load``,
``matrix``, ``reduction``, ``clustering`` and ``probabilities``; the notebook of the same name
tells the story of each. Nothing heavy is imported until a stage is.
"""

__version__ = "0.1.0"
