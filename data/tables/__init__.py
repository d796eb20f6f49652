"""Tables of tracks: read, checked, in canonical columns."""
