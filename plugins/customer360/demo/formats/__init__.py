"""What each system of the made-up company writes: events in, bytes of its real format out."""
