"""The contract of a store, in parts."""
