"""The public log: signed statements, the Merkle tree over them, receipts. Imports nothing else of the project."""
