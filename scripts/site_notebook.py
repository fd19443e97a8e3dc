"""A notebook as a page of the site: its cells with the outputs that it was kept with."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any


def page(notebook: Path, pictures: Path) -> str:
    """Markdown with text and PNG outputs; these are written into the folder `pictures`."""
    cells = json.loads(notebook.read_text())["cells"]
    pictures.mkdir(parents=True, exist_ok=True)
    parts: list[str] = []
    for number, cell in enumerate(cells):
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(text)
        elif text.strip():
            parts.append(f"```python\n{text}\n```")
            parts += _outputs(cell["outputs"], pictures, f"{notebook.stem}-{number}")
    return "\n\n".join(parts) + "\n"


def _outputs(outputs: Sequence[Mapping[str, Any]], pictures: Path, name: str) -> Iterator[str]:
    for number, output in enumerate(outputs):
        data = output.get("data", {"text/plain": output.get("text", "")})
        if "image/png" in data:
            file = f"{name}-{number}.png"
            (pictures / file).write_bytes(_small(base64.b64decode("".join(data["image/png"]))))
            yield f"![output of the cell above]({file})"
        elif text := "".join(data.get("text/plain", "")).rstrip():
            yield f"```text\n{text}\n```"


def _small(png: bytes) -> bytes:
    """With a palette, a fraction of the bytes."""
    import io

    from PIL import Image

    kept = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").quantize(128).save(kept, "PNG", optimize=True)
    return min(png, kept.getvalue(), key=len)
