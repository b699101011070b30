"""Folders of JSON lines as a system."""
