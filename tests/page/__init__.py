"""The registry's page: its modules in Node, and all of it in Chromium."""
