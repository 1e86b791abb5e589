"""The processes that serve a model: started, watched, and started again when they fall."""
