"""A plugin that fails when it is imported."""

raise RuntimeError("this plugin was built for another machine")
