"""What any torch module costs, counted by operator."""
