"""Programs that measure, run as `python -m benchmarks.NAME` in the root of the repository.

As a module, for Python would put this folder first on the path of a script, where `inference` is a
benchmark. The servers that they talk to are those of the tests.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))
