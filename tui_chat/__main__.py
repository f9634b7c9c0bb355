"""Choose a front end."""
