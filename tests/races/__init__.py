"""A running shop when everything happens at the same moment: whoever comes first, the books agree."""
