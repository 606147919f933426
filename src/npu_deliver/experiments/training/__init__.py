"""Training steps on the host: summary and chart."""
