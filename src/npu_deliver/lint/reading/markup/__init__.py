"""The lines of a report and what Markdown and HTML make of them."""
