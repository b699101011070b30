"""Address books of a CardDAV server as a system."""
