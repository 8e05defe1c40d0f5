"""Commands whose options may be given once, unless they say otherwise, and stand under headings in help."""

from typing import Any

import click


class HeadedOption(click.Option):
    """An option of several commands, which has a heading with others behind a command's own options."""

    def __init__(self, *arguments: Any, heading: str, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.heading = heading


class StrictCommand(click.Command):
    """Refuses an option that is given twice: click takes the last one, and forgets the others in silence."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The command's own options, then under headings those that it shares."""
        headed: dict[str, list[tuple[str, str]]] = {"Options": []}
        for parameter in self.get_params(ctx):
            heading = parameter.heading if isinstance(parameter, HeadedOption) else "Options"
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                headed.setdefault(heading, []).append(record)
        for heading, records in headed.items():
            if not records:
                continue
            with formatter.section(heading):
                formatter.write_dl(records)

    def make_parser(self, ctx: click.Context) -> Any:
        parser = super().make_parser(ctx)
        parse = parser.parse_args

        def parse_strictly(args: list[str]) -> Any:
            values, rest, order = parse(args)
            for parameter in order:
                single = isinstance(parameter, click.Option) and not (parameter.multiple or parameter.is_flag)
                if single and order.count(parameter) > 1:
                    raise click.UsageError(f"{parameter.opts[0]} is given more than once", ctx)
            return values, rest, order

        parser.parse_args = parse_strictly  # type: ignore[method-assign]
        return parser
