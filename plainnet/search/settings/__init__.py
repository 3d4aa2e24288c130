"""What a search is: its configuration, and what a person should know about it."""
