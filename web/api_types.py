"""Writes web/src/lib/api-types.ts: what OpenAPI says of bodies and answers, as TypeScript.

Run `python -m web.api_types` after a change of the interface; a test compares.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from api.app import create_app
from api.settings import Settings

TARGET = Path(__file__).parent / "src" / "lib" / "api-types.ts"
_OPENING = "// Made by `python -m web.api_types` from OpenAPI; not written by hand.\n"
_PRIMITIVES = {"string": "string", "integer": "number", "boolean": "boolean", "null": "null"}


def render() -> str:
    """All schemas of the present interface as interfaces."""
    schemas = create_app(Settings()).openapi()["components"]["schemas"]
    return _OPENING + "".join(_declare(name, schemas[name]) for name in sorted(schemas))


def _declare(name: str, schema: dict[str, Any]) -> str:
    if "properties" not in schema:
        return f"\nexport type {name} = {_type(schema)};\n"
    required = schema.get("required", ())
    # A member with a default is always there in an answer, and may be left out of a body.
    lines = [
        f"  {member}{'' if member in required else '?'}: {_type(kind)};\n"
        for member, kind in schema["properties"].items()
    ]
    return f"\nexport interface {name} {{\n{''.join(lines)}}}\n"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(_type(each) for each in schema["anyOf"])
    if schema.get("type") == "array":
        return f"({_type(schema.get('items', {}))})[]"
    if schema.get("type") == "object":
        return f"Record<string, {_type(schema.get('additionalProperties') or {})}>"
    return _PRIMITIVES.get(schema.get("type", ""), "unknown")


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
