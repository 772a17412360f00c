"""One file for each claim, or for claims that read the same runs: statement, set-up, and the rule that decides."""
