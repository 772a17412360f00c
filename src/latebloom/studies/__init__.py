"""Studies: grids of runs, and what trains them."""
