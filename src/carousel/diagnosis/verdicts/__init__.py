"""From numbers to findings and remedies: what is wrong, by which threshold, and what can be done."""
