"""The search for gains on the host: summary, pictures and chart."""
