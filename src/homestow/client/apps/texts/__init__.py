"""Every text that the window and the browser page show, in all languages: the catalogues, and `Texts`, which fills them in.

A catalogue is one JSON object, key to text. A key is `area.name` in lower case with "-"; a text may hold {values}. A text that
depends on a number `n` is an object of plural forms, {"one": …, "other": …}; a language without plurals has "other" alone.
The page reads the same files. Keys made of a value of the protocol, such as `state.synced` or `code.unreachable`, are the
families of `FAMILIES`; every other key stands literally in the code that shows it.
"""

from homestow.client.apps.texts.catalogue import (
    FAMILIES,
    LANGUAGES,
    Language,
    Texts,
    Told,
    desktop_languages,
    language_of,
)

__all__ = ["FAMILIES", "LANGUAGES", "Language", "Texts", "Told", "desktop_languages", "language_of"]
