"""The private names of other packages that this one needs: a test allows them nowhere else."""

import atexit
from collections.abc import Callable

run_exit_functions: Callable[[], None] = atexit._run_exitfuncs
"""Run what is registered with `atexit`, where a forked process ends by `os._exit`."""
