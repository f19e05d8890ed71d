"""The rows of the fault matrix that need more than one room of the house; docs/guarantees.md names the test of each."""
