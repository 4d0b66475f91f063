"""Whether compiled parts are wanted: where they are not built, or not wanted, the same is done in Python."""

import os

WANTED = not os.environ.get("TOLLWAY_NO_EXTENSIONS")
"""Read once: what is chosen is chosen when its module is imported."""
