"""The recorder on a real X server: what it costs, what it loses, how late it is."""
