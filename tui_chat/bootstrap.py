"""Choose concrete parts and join them."""
