"""Translation: between the native fields of one system and the canonical values of an entity. Pure."""

from .field_type import FieldTypeOptions, Invalid, Unusable
from .mapping import MappedField, Reading, Translation
from .match import match_text
from .types import TYPES

__all__ = [
    "TYPES",
    "FieldTypeOptions",
    "Invalid",
    "MappedField",
    "Reading",
    "Translation",
    "Unusable",
    "match_text",
]
