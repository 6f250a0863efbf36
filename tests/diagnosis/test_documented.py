"""The page on diagnosis: its example runs, and it leaves out no measure."""

from pathlib import Path

from carousel import diagnosis

PAGE = Path(__file__).parents[2] / "docs" / "diagnosis.md"
MEASURES = [
    "end_to_end", "fisher_memory", "fixed_points", "gate_times", "gates_over_time", "gradient_by_lag",
    "gradient_by_layer", "impulse_response", "latching", "linear_capacity", "lyapunov", "lyapunov_of_map",
    "matrix_spectrum", "memory", "observe", "parameter_sensitivity", "saturation", "spectrum", "stability", "stacked",
    "tracking_units",
]  # fmt: skip


def test_the_example_runs(capsys):
    """It prints one sentence for each layer."""
    lines = PAGE.read_text(encoding="utf-8").split("\n\n    import torch\n")[1].splitlines()
    code = ["import torch"]
    for line in lines:
        if line and not line.startswith("    "):
            break
        code.append(line.removeprefix("    "))
    exec("\n".join(code), {})
    assert capsys.readouterr().out.count("remembers about") == 2


def test_every_measure_is_explained():
    """Each function is named on the page, and is public."""
    text = PAGE.read_text(encoding="utf-8")
    for name in MEASURES:
        assert f"`{name}" in text, name
        assert name in diagnosis.__all__
