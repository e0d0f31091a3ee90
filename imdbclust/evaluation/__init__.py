"""How far clusters can be trusted: stability, held-out information, null models, intervals."""
