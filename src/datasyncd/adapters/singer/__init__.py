"""Singer taps and targets as systems."""
