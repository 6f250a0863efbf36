"""The page of a diagnosis and its figures, which training pages show as well."""
