"""The pages below `/ui/`: a JSON API about a store and its gateway, and the front end that reads it."""
