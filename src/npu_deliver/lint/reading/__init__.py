"""What a text is: files, Markdown, numbers with their units, words with their meanings. It judges nothing."""
