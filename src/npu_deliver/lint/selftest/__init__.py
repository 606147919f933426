"""The linter's own test: mutations planted in clean reports, how many of each kind were found, and the false alarms."""
