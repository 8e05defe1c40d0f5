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
        raise RequestError(f"{doing}: DuckDB ran out of memory. Try: a larger --memory. {error}") from error
    except duckdb.IOException as error:
        raise _io_error(doing, error, writing=writing) from error
    except (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.HTTPException) as error:
        raise (wrong or SourceBroken)(f"{doing}: {error}") from error
    except duckdb.Error as error:
        raise (wrong or QueryError)(f"{doing}: {error}") from error


def _io_error(doing: str, error: duckdb.Error, *, writing: bool) -> ComposeError:
    # A full disk is the output's even while sources are read: then it is the scratch folder that overflows.
    ours = writing or "No space left" in str(error)
    return (OutputUnwritable if ours else SourceBroken)(f"{doing}: {error}")
