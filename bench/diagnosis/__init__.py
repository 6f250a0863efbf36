"""What a diagnosis costs: seconds for networks of some sizes, and the share of a run that its monitor takes."""
