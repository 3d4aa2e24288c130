"""The best network of a space, computed: a layered graph, prices on the budgets, a proven bound, a certificate.

`sums` (objectives and costs as sums over blocks) -> `slots` (what each place of a space may be) -> `forms` (blocks as formulas of
their widths) -> `graph` -> `program` (the best path at given prices) -> `prices` -> `labels` (what is left, one by
one) -> `solve`.
"""
