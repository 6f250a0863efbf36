"""Pictures as inline SVG: line charts, scatter plots, states drawn on their text."""

from carousel.report.charts.line import Chart, Line, svg, thin
from carousel.report.charts.scatter import Points, Scatter, scatter_svg

__all__ = ["Chart", "Line", "Points", "Scatter", "scatter_svg", "svg", "thin"]
