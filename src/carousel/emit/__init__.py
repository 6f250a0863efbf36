"""From the graph of a cell to something that runs or can be read: torch, C++, a formula."""
