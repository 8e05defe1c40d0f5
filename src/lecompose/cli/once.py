"""Commands whose options may be given once, unless they say otherwise."""

from typing import Any

import click


class Once(click.Command):
    """Refuses an option that is given twice: click takes the last one, and forgets the others in silence."""

    def make_parser(self, ctx: click.Context) -> Any:
        parser = super().make_parser(ctx)
        parse = parser.parse_args

        def checked(args: list[str]) -> Any:
            values, rest, order = parse(args)
            for parameter in order:
                single = isinstance(parameter, click.Option) and not (parameter.multiple or parameter.is_flag)
                if single and order.count(parameter) > 1:
                    raise click.UsageError(f"{parameter.opts[0]} is given more than once", ctx)
            return values, rest, order

        parser.parse_args = checked  # type: ignore[method-assign]
        return parser
