"""Scores in closed form: from the string alone, without torch."""
