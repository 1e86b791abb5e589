"""What stops the start.

ConfigError        a setting, or a file that a setting names, is wrong
    PersonaError   a persona file is wrong
"""


class ConfigError(Exception):
    """One or more readable lines, each: where it stands, what it holds, what it should hold."""


class PersonaError(ConfigError):
    """A persona file is wrong; keep the last good version if there is one."""
