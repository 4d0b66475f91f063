"""The Tollway gateway: one HTTP entrance to many models."""
