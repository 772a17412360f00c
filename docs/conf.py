"""Sphinx builds these pages without the network: no intersphinx, no remote images."""

from latebloom import __version__

project = "latebloom"
author = "latebloom authors"
copyright = "latebloom authors"
release = version = __version__

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"latebloom {release}"
