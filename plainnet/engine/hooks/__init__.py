"""What happens around training steps: objects that serve any trainer."""
