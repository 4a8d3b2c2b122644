"""HTML templates of the library, with the style that all pages share."""

from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

DATA = resources.files("shapebias") / "data"
STYLE = DATA / "style.css"


def render(*templates: str, **values: Any) -> str:
    """HTML of the first template; values are escaped unless they are `Markup`.

    Parameters
    ----------
    templates
        Names of files in `shapebias/data`: the page, then those that it imports.
    values
        Variables of the page.
    """
    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.DictLoader(
            {name: (DATA / name).read_text(encoding="utf-8") for name in templates}
        ),
    )
    style = Markup(STYLE.read_text(encoding="utf-8"))
    return environment.get_template(templates[0]).render(style=style, **values)
