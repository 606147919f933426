"""Speed on the host: chart."""
