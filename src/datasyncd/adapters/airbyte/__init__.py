"""Sources of the Airbyte protocol as systems."""
