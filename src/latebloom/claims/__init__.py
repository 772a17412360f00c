"""The claims ledger: published statements as studies, each with a rule written before its results were seen."""
