"""A night's cost follows what changed: only a slice of the customers is built, and takes the place of theirs.

A slice is every record that may end with another customer, or in another row of a mart, than last night:
those of batches that came or went, those whose date has come, and all that are tied to them by an identifier
or a reference. The same models build it, in schemas of its own (`engines.base.SLICE`), and what differs
replaces the rows of the whole marts. Sums over all customers are kept by tallies, to which a slice adds what its rows
change; a mart that reads them is built whole.

The slice is right only where the engine still holds what the night before left: `planning` says whether it does.
`opening` finds the slice's records, and `placing` puts what was built of them in the place of what was there.
"""
