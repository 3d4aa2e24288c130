"""Results that show themselves: tables for terminals, notebooks and data frames."""
