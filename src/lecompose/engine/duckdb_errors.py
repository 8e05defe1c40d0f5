"""DuckDB's errors → ours."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from lecompose.errors import ComposeError, OutputUnwritable, QueryError, RequestError, SourceBroken


@contextmanager
def translate_errors(
    doing: str, *, wrong: type[ComposeError] | None = None, writing: bool = False
) -> Iterator[None]:
    """Turn every DuckDB error into one of ours, keeping it as the cause; `wrong` if a setting is."""
    try:
        yield
    except duckdb.InterruptException as error:
        raise KeyboardInterrupt from error
    except RuntimeError as error:
        # So it says when Ctrl-C comes while it binds.
        if "interrupted" not in str(error):
            raise
        raise KeyboardInterrupt from error
    except duckdb.OutOfMemoryException as error:
        raise RequestError(
            f"{doing}: DuckDB ran out of memory", reason=error, hint="a larger --memory"
        ) from error
    except duckdb.IOException as error:
        raise _io_error(doing, error, writing=writing) from error
    except (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.HTTPException) as error:
        raise (wrong or SourceBroken)(doing, reason=error) from error
    except duckdb.Error as error:
        # A mistake in a statement has a class of its own; what a decoder of parquet throws has none.
        kind = SourceBroken if type(error) is duckdb.Error else QueryError
        raise (wrong or kind)(doing, reason=error) from error


def first_line(error: ComposeError) -> str:
    """Return what DuckDB says about a file, in one line and without the kind that it puts in front."""
    line = (error.reason or error.problem).partition("\n")[0].rstrip(" .:")
    return line.partition(" Error: ")[2] or line


def _io_error(doing: str, error: duckdb.Error, *, writing: bool) -> ComposeError:
    # A full disk is the output's even while sources are read: then it is the scratch folder that overflows.
    ours = writing or "No space left" in str(error)
    return (OutputUnwritable if ours else SourceBroken)(doing, reason=error)
