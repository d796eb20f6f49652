"""What the machine grants: CPUs, and a folder to keep things in."""
