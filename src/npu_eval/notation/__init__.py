"""How things are written: units, durations, tables, sentences as codes, and whose word they are."""
