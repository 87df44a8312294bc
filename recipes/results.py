"""Write the page of a recipe from a finished run: ``python recipes/results.py runs/atis``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from polytask.evaluation import read_comparison
from polytask.recipe import read_recipe
from polytask.report.markdown import comparison_markdown

RECIPES = Path(__file__).parent


def page(run: Path) -> str:
    """What the run measured, and how to measure it again."""
    recipe, _ = read_recipe(run / "recipe.yaml")
    environment = json.loads((run / "environment.json").read_text())
    torch = environment["packages"]["torch"]
    shipped, _ = read_recipe(RECIPES / recipe.name / "recipe.yaml")
    seeds = list(recipe.seeds)
    extra = "" if seeds == list(shipped.seeds) else f" --set 'seeds={seeds}'"
    if recipe.baselines != shipped.baselines:
        extra += f" --set baselines={recipe.baselines}"
    command = f"polytask train recipes/{recipe.name}/recipe.yaml --out runs/{recipe.name}{extra}"
    lines = [
        f"# {recipe.name}",
        recipe.description.strip(),
        f"```bash\n{command}\n```",
        f"Measured with torch {torch} in {seconds(run)}; seeds {seeds}.",
        comparison_markdown(read_comparison(run / "metrics.json")),
    ]
    return "\n\n".join(lines)


def seconds(run: Path) -> str:
    """How long the models trained, in time of one core: the same beside other work."""
    multi, single = (
        [json.loads(file.read_text())["cpu_seconds"] for file in run.glob(files)]
        for files in ("multi/*/run.json", "single/*/*/run.json")
    )
    text = f"{sum(multi) / len(multi):.0f} s of a CPU core per multi-task model"
    return text + (
        f", {sum(single):.0f} s for all {len(single)} single-task models" if single else ""
    )


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        folder = Path(argument)
        name = read_recipe(folder / "recipe.yaml")[0].name
        (RECIPES / name / "README.md").write_text(page(folder), encoding="utf-8")
        print(f"wrote recipes/{name}/README.md")
