"""A screenshot as a small PNG: the colours it has most of, and an index for each point."""

import base64
import struct
import zlib

import numpy as np
from playwright.sync_api import Page

COLOURS = 32
PIXELS = """async (png) => {
  const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
  const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
  canvas.drawImage(image, 0, 0);
  const points = new Blob([canvas.getImageData(0, 0, image.width, image.height).data]);
  const reader = new FileReader();
  const read = new Promise((done) => { reader.onload = done; });
  reader.readAsDataURL(points);
  await read;
  return [image.width, image.height, reader.result.split(",")[1]];
}"""


def small(page: Page, png: bytes) -> bytes:
    """The picture in its COLOURS most frequent colours, each other point in the nearest; `page` is any that is open."""
    width, height, points = page.evaluate(PIXELS, base64.b64encode(png).decode())
    colours = np.frombuffer(base64.b64decode(points), np.uint8).reshape(-1, 4)[:, :3].astype(np.int32)
    codes, places, counts = np.unique(
        colours[:, 0] << 16 | colours[:, 1] << 8 | colours[:, 2], return_inverse=True, return_counts=True
    )
    parts = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1)
    chosen = parts[np.argsort(-counts, kind="stable")[:COLOURS]]
    nearest = ((parts[:, None, :] - chosen[None, :, :]) ** 2).sum(axis=2).argmin(axis=1)
    rows = np.zeros((height, width + 1), np.uint8)  # each begins with the filter that it has: none
    rows[:, 1:] = nearest[places.reshape(height, width)]
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    body = (
        _chunk(b"IHDR", head),
        _chunk(b"PLTE", chosen.astype(np.uint8).tobytes()),
        _chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
