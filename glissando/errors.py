"""What can go wrong, said in one sentence: what is wrong with which file or field, and what to do."""


class GlissandoError(Exception):
    """Base of every error that is meant to be read by a person."""


class AudioError(GlissandoError):
    """A file or array can't be used as audio."""


class ModelError(GlissandoError):
    """A model is unknown, or its weights are missing or not what they should be."""


class LibraryError(GlissandoError):
    """A library can't be opened, written, or does not hold what was asked for."""


class QueryError(GlissandoError):
    """A search was asked in a way that has no answer."""


class RecipeError(GlissandoError):
    """A recipe, or a file of a data set, says what can't be done."""


class ExpressionError(GlissandoError):
    """An expression over latents can't be read, or has no value."""
