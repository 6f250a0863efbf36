"""The graph of a cell as C++, as torch operations and as a formula."""
