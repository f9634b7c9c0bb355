"""Values, events, ports and errors: what every other part speaks about, importing none of them."""
