"""Writes ``tui_chat/core/catalogue.json``, the shipped table of models, from two wheels; run by hand.

::

    pip download --no-deps -d /tmp/wheels litellm genai-prices
    python -m tests.make_catalogue /tmp/wheels/litellm-*.whl /tmp/wheels/genai_prices-*.whl --date 2026-11-10

The date is the day the older of the two wheels was published (the package index shows it), so that
no price claims to be fresher than it is. Nothing of the wheels is run or installed.

Afterwards set ``DATE`` and ``SOURCE`` in ``catalogue.py`` to what is printed, read the
file's diff, and correct the spot checks in ``tests/core/test_catalogue.py`` from the hosts' own pages.

What is taken: litellm's chat models on the hosts below, and OpenRouter's from genai-prices. Where
both know a model on a host, the smaller window counts, and a price only if they agree on it.
"""

from __future__ import annotations

import argparse
import ast
import datetime
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

TABLE = Path(__file__).parent.parent / "tui_chat" / "core" / "catalogue.json"

Row = tuple[int | None, int | None, float | None, float | None, float | None, int | None]
"""Window, longest output, prices of input, output and cached input, and the prompt they hold up to."""


class Host(NamedTuple):
    """A service with prices of its own: its name here, in litellm (``llm``) and in genai-prices."""

    name: str
    llm: str
    genai: str
    addresses: tuple[str, ...]


# Only addresses with one price list. Azure's, Amazon's and Google Cloud's depend on the region or
# name deployments; api.moonshot.cn, api.minimaxi.com and open.bigmodel.cn charge in another currency.
HOSTS = (
    Host("openai", "openai", "openai", ("api.openai.com",)),
    Host("anthropic", "anthropic", "anthropic", ("api.anthropic.com",)),
    Host("google", "gemini", "google", ("generativelanguage.googleapis.com",)),
    Host("xai", "xai", "x-ai", ("api.x.ai",)),
    Host("mistral", "mistral", "mistral", ("api.mistral.ai",)),
    Host("deepseek", "deepseek", "deepseek", ("api.deepseek.com",)),
    Host("moonshot", "moonshot", "moonshotai", ("api.moonshot.ai",)),
    Host("zai", "zai", "zai", ("api.z.ai",)),
    Host("minimax", "minimax", "minimax", ("api.minimax.io",)),
    Host("cohere", "cohere_chat", "cohere", ("api.cohere.com", "api.cohere.ai")),
    Host("dashscope", "dashscope", "", ("dashscope-intl.aliyuncs.com",)),
    Host("groq", "groq", "groq", ("api.groq.com",)),
    Host("cerebras", "cerebras", "cerebras", ("api.cerebras.ai",)),
    Host("together", "together_ai", "together", ("api.together.xyz", "api.together.ai")),
    Host("fireworks", "fireworks_ai", "fireworks", ("api.fireworks.ai",)),
    Host("novita", "novita", "novita", ("api.novita.ai",)),
    Host("deepinfra", "deepinfra", "", ("api.deepinfra.com",)),
    Host("sambanova", "sambanova", "", ("api.sambanova.ai",)),
    Host("perplexity", "perplexity", "perplexity", ("api.perplexity.ai",)),
    Host("openrouter", "", "openrouter", ("openrouter.ai",)),
)

# Models that only their maker and its partners run. All others can be run by anyone, with any window.
CLOSED = {"openai": "gpt-(?!oss)|o[0-9]", "anthropic": "claude-", "google": "gemini-(?!gemma)", "xai": "grok-[4-9]"}

_COSTS = ("input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost")

# Their hosts charge for searches, pictures or sound as well: a price of the text alone would mislead.
_MORE_THAN_TEXT = re.compile("search|sonar|deep-research|image|audio|lyria|voxtral|-tts")


def main() -> None:
    arguments = argparse.ArgumentParser(description="Write the shipped table of models.")
    arguments.add_argument("litellm", type=Path)
    arguments.add_argument("genai_prices", type=Path)
    arguments.add_argument("--date", type=datetime.date.fromisoformat, required=True)
    options = arguments.parse_args()
    wheels = (options.litellm, options.genai_prices)
    source = " and ".join(" ".join(wheel.name.split("-")[:2]).replace("_", "-") for wheel in wheels)

    entries = chat_entries(json.loads(read(wheels[0], r"litellm/model_prices_and_context_window_backup\.json")))
    services = {service["id"]: service for service in literal(read(wheels[1], r"genai_prices/data\.py"))}
    head = {
        "date": options.date.isoformat(),
        "source": source,
        "licence": {wheel.name.split("-")[0].replace("_", "-"): licence(wheel) for wheel in wheels},
        "hosts": {address: host.name for host in HOSTS for address in host.addresses},
    }
    models = {host.name: rows_of(host, entries, services, options.date) for host in HOSTS}
    TABLE.write_text(as_text(head, models, anywhere(models, entries)), encoding="utf-8")
    print(f'DATE = "{options.date}"\nSOURCE = "{source}"\n{sum(map(len, models.values()))} models')


# -- reading the wheels ---------------------------------------------------------------------------


def read(wheel: Path, pattern: str) -> str:
    """The one file of a wheel whose path matches."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if re.fullmatch(pattern, name))
        return archive.read(name).decode("utf-8")


def licence(wheel: Path) -> str:
    """The licence in full. Raises ValueError unless it is MIT."""
    text = read(wheel, r"[^/]+\.dist-info/licenses/LICENSE")
    if "MIT License" not in text:
        raise ValueError(f"{wheel.name} changed its licence")
    return text


def chat_entries(entries: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What litellm knows about models that answer a chat."""
    return {key: entry for key, entry in entries.items() if entry.get("mode") in ("chat", "responses")}


def literal(module: str) -> Any:
    """The list in genai-prices' module: each call in it as a dict of its keywords, ``of`` naming what was called."""
    return next(_value(node.value) for node in ast.parse(module).body if isinstance(node, ast.AnnAssign) and node.value)


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value):
            return value
        case ast.List(items):
            return [_value(item) for item in items]
        case ast.Attribute(attr=name):
            return name
        case ast.Dict(keys, values):
            return {_value(key): _value(value) for key, value in zip(keys, values, strict=True) if key is not None}
        case ast.Call(ast.Name("Decimal"), [number]):
            return float(_value(number))
        case ast.Call(ast.Attribute(attr="date"), numbers):
            return datetime.date(*map(_value, numbers))
        case ast.Call(ast.Name(name) | ast.Attribute(attr=name), _, keywords):
            return {"of": name} | {keyword.arg: _value(keyword.value) for keyword in keywords}
    raise ValueError(f"genai-prices writes its data in a new way: {ast.dump(node)[:80]}")


# -- rows -------------------------------------------------------------------------------------------


def rows_of(
    host: Host, entries: Mapping[str, dict[str, Any]], services: Mapping[str, Any], date: datetime.date
) -> dict[str, Row]:
    """A host's models by the names that its users write."""
    second = dict(genai_rows(services[host.genai], date)) if host.genai else {}
    if not host.llm:
        return {name: row for name, row in second.items() if "/" in name and not name.endswith(":batch") and any(row)}
    rows: dict[str, Row] = {}
    for key, entry in entries.items():
        if entry["litellm_provider"] == host.llm:
            name = key.removeprefix(f"{host.llm}/")
            row = checked(litellm_row(name, entry), second.get(name))
            rows[name] = agreed(row, rows.get(name, row))
    return {name: row for name, row in rows.items() if any(row)}


def litellm_row(name: str, entry: Mapping[str, Any]) -> Row:
    """litellm's figures; the base price, and where it ends."""
    tiers = entry.get("tiered_pricing") or [{}]
    base = {**entry, **tiers[0]}
    ends = [
        int(found[1]) * 1000
        for key in entry
        if (found := re.fullmatch(r"input_cost_per_token_above_(\d+)k_tokens", key))
    ]
    if len(tiers) > 1 and "range" in tiers[0]:
        ends.append(int(tiers[0]["range"][1]))
    figures = [per_million(base.get(cost)) for cost in _COSTS]
    if base.get("output_cost_per_reasoning_token") not in (None, base.get("output_cost_per_token")):
        figures[1] = None  # thinking has a price of its own
    window, longest = whole(entry.get("max_input_tokens")), whole(entry.get("max_output_tokens"))
    return row_of(name, window, longest, prices=figures, end=min(ends, default=None))


def genai_rows(service: Mapping[str, Any], date: datetime.date) -> Iterator[tuple[str, Row]]:
    """genai-prices' figures on that date, by every name that it gives in full."""
    for model in service["models"]:
        prices = on(date, model["prices"])
        values = [prices.get(f"{kind}_mtok") for kind in ("input", "output", "cache_read")]
        tiered = [value for value in values if isinstance(value, dict)]
        end = min((tier["start"] for value in tiered for tier in value["tiers"]), default=None)
        base = [value["base"] if isinstance(value, dict) else value for value in values]
        for name in {model["id"], *names(model["match"])}:
            yield name, row_of(name, model.get("context_window"), None, prices=base, end=end)


def on(date: datetime.date, prices: Any) -> dict[str, Any]:
    """The prices of that date; none where they depend on the hour, or where requests are charged for too."""
    conditions = [{"prices": prices}] if isinstance(prices, dict) else prices
    for condition in reversed(conditions):
        constraint = condition.get("constraint") or {}
        if "start_time" in constraint or "requests_kcount" in condition["prices"]:
            return {}
        if constraint.get("start_date", date) <= date:
            return dict(condition["prices"])
    return {}


def names(clause: Mapping[str, Any]) -> Iterator[str]:
    """The names that a model's rule gives in full; its patterns are passed over."""
    if clause["of"] == "ClauseEquals":
        yield clause["equals"]
    for each in clause.get("or_", ()):
        yield from names(each)


def row_of(
    name: str, window: int | None, longest: int | None, *, prices: Sequence[float | None], end: int | None
) -> Row:
    """A row with prices only where both are known. Nought is no price: it mostly stands for "not known"."""
    given, answered, cached = prices
    if _MORE_THAN_TEXT.search(name) or given is None or answered is None or not (given or answered):
        return (window, longest, None, None, None, None)
    end = None if end and window and end >= window else end
    return (window, longest, given, answered, cached or None, end)


def checked(row: Row, second: Row | None) -> Row:
    """A row after the second source was heard."""
    if second is None:
        return row
    window = min(filter(None, (row[0], second[0])), default=None)
    doubted = second[2] is not None and row[2:4] != second[2:4]
    return (window, row[1], None, None, None, None) if doubted else (window, *row[1:])


def agreed(one: Row, other: Row) -> Row:
    """What two rows of one name have in common; prices only all together."""
    window, longest = (a if a == b else None for a, b in zip(one[:2], other[:2], strict=True))
    return (window, longest, *one[2:]) if one[2:] == other[2:] else (window, longest, None, None, None, None)


def anywhere(
    models: Mapping[str, Mapping[str, Row]], entries: Mapping[str, dict[str, Any]]
) -> dict[str, dict[str, tuple[int | None, int | None]]]:
    """Window and longest output of closed models, where all services that litellm knows give the same."""
    found: dict[str, dict[str, tuple[int | None, int | None]]] = {}
    for maker, pattern in CLOSED.items():
        for name in models[maker]:
            served = [entry for key, entry in entries.items() if key.rsplit("/", 1)[-1] == name]
            pair = (only(served, "max_input_tokens"), only(served, "max_output_tokens"))
            if re.match(pattern, name) and any(pair):
                found.setdefault(maker, {})[name] = pair
    return found


def only(entries: Iterable[Mapping[str, Any]], key: str) -> int | None:
    """The one figure that all entries give that give one."""
    figures = {figure for entry in entries if (figure := whole(entry.get(key)))}
    return figures.pop() if len(figures) == 1 else None


def whole(figure: Any) -> int | None:
    """A number of tokens; a few of litellm's are floats or texts."""
    return int(figure) or None if isinstance(figure, (int, float)) else None


def per_million(dollars: float | None) -> float | None:
    return None if dollars is None else round(float(dollars) * 1_000_000, 6)


# -- writing ----------------------------------------------------------------------------------------


def as_text(head: Mapping[str, Any], models: Mapping[str, Any], closed: Mapping[str, Any]) -> str:
    """One JSON document, a line for each model, so that a new table's diff can be read."""
    parts = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    parts += [f'"models": {_block(models)}', f'"anywhere": {_block(closed)}']
    return "{" + ",\n".join(parts) + "}\n"


def _block(groups: Mapping[str, Mapping[str, tuple[Any, ...]]]) -> str:
    return "{" + ",\n".join(f"{json.dumps(group)}: {{{_lines(rows)}}}" for group, rows in groups.items()) + "}"


def _lines(rows: Mapping[str, tuple[Any, ...]]) -> str:
    return "\n" + ",\n".join(f"{json.dumps(name)}: {_figures(row)}" for name, row in sorted(rows.items()))


def _figures(row: tuple[Any, ...]) -> str:
    """A row without its last nulls, whole numbers without a point."""
    figures = [int(figure) if figure is not None and figure == int(figure) else figure for figure in row]
    while figures and figures[-1] is None:
        figures.pop()
    return json.dumps(figures, separators=(",", ":"))


if __name__ == "__main__":
    main()
