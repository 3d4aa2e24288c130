"""The ladder of fidelity: cheap scores for many candidates, dear ones for few."""
