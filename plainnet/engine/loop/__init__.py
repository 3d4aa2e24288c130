"""Trainers and testers: the loop, and the pieces that it is made of."""
