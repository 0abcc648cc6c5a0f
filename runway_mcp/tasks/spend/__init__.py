"""Submit pipeline: plans an extension, submits it once, reconciles unknown outcomes."""
