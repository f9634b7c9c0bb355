"""The styles Markdown is written in, taken from the theme once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.style import Style
from textual.style import Style as VisualStyle

ITALIC, BOLD, STRIKE, DIM, UNDERLINE = (
    Style(italic=True),
    Style(bold=True),
    Style(strike=True),
    Style(dim=True),
    Style(underline=True),
)

# By pygments' names of token types; the nearest ancestor counts. None of them carries meaning alone.
_SYNTAX = {
    "Comment": "$foreground 60% italic",
    "Keyword": "$text-accent",
    "Keyword.Constant": "$text-warning",
    "Operator.Word": "$text-accent",
    "Literal.Number": "$text-warning",
    "Literal.String": "$text-success",
    "Name.Attribute": "$text-warning",
    "Name.Builtin": "$text-secondary",
    "Name.Class": "$text-primary bold",
    "Name.Constant": "$text-warning",
    "Name.Decorator": "$text-primary",
    "Name.Function": "$text-primary",
    "Name.Tag": "$text-primary",
    "Name.Variable": "$text-secondary",
    "Generic.Deleted": "$text-error",
    "Generic.Inserted": "$text-success",
    "Generic.Heading": "bold",
    "Generic.Subheading": "bold",
    "Generic.Emph": "italic",
    "Generic.Strong": "bold",
}


@dataclass(frozen=True, slots=True)
class Inks:
    """Resolved styles; every one includes the background it is painted on."""

    text: Style
    dim: Style
    heading: Style
    code: Style
    block: Style
    block_dim: Style
    user: Style
    reply: Style
    error: Style
    warning: Style
    syntax: Mapping[str, Style] = field(repr=False)

    @classmethod
    def of(cls, base: VisualStyle, variables: Mapping[str, str]) -> Inks:
        """From a widget's visual style and its app's theme variables."""
        known = dict(variables)

        def ink(definition: str, on: VisualStyle = base) -> Style:
            return (on + VisualStyle.parse(definition, known)).rich_style

        # A terminal's own colours cannot be mixed: there, the bar beside the code says it all.
        is_ansi = variables.get("background", "").startswith("ansi_")
        block = base if is_ansi else base + VisualStyle.parse("on $foreground 5%", known)
        return cls(
            text=base.rich_style,
            dim=base.rich_style + DIM,
            heading=ink("bold $text-primary"),
            code=ink("$text-warning" if is_ansi else "$text-warning on $warning 10%"),
            block=block.rich_style,
            block_dim=block.rich_style + DIM,
            user=ink("$text-accent"),
            reply=ink("$text-primary"),
            error=ink("$text-error"),
            warning=ink("$text-warning"),
            syntax={name: ink(definition, block) for name, definition in _SYNTAX.items()},
        )
