"""Ray, on this machine or on a cluster: places for segments, and checks that its nodes can be trusted."""
