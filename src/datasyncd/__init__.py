"""Two-way sync of customer data between the systems that hold it."""

__version__ = "0.1.0"
