"""Others' tools on the same records, each as a script of its own process."""
