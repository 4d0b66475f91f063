"""What keeps the process alive and its callers apart: bounds on memory, on calls, and on who may ask."""
