"""The upper floor: platforms, the HTTP door, the API, the command line and the composition root."""
