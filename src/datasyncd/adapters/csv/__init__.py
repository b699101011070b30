"""Folders of CSV files as a system."""
