"""The words and numbers that people write: heads of columns, labels, settings, subjects, rounded decimals and units."""
