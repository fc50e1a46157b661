"""Those whose accounts were erased."""
