"""The screens, each with the services it was given; all but the chat are imported when they are opened."""
