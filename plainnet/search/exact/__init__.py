"""The best network of a space, computed: a layered graph, prices on the budgets, a proven bound, a certificate.

`summed_objectives` (objectives and costs as sums over blocks) -> `place_options` (what each place of a space may be) -> `forms`
(blocks as formulas of their widths) and `tables` (those that are none, one by one) -> `graph_builder` -> `graph` -> `program`
(the best path at given prices) -> `prices` -> `path_labels` (what is left, one by one) -> `solve`. Where logarithms of sums are
added up (`log_sums`), `log_solver` solves in one direction after the other; where not all widths can be looked at, `sampling`
says which are.
"""
