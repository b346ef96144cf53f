"""What tests with Chromium share: the browser, its pages and their sound."""
