"""Where films come from: named datasets, files of one's own, IMDb's dumps, made-up films."""
