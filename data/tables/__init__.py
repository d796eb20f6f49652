"""Tables of tracks: reading, checking and canonical columns."""
