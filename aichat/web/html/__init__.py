"""What draws a page: templates, fragments, Markdown, static files."""
