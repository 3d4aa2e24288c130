"""Pictures of what a network saw and said."""
