"""Who is the same customer: classify identifiers, link records, keep ids, explain."""
