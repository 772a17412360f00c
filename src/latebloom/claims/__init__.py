"""The claims ledger: published statements as studies, each with a rule that was written before its results were seen."""
