"""What is true: versions, policies, identity, conflicts and plans, as pure functions over values."""
