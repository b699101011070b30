"""Folders of Parquet files as a system."""
