"""The core, compiled: the build puts its modules here, and without a C compiler there are none."""
