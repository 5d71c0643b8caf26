"""Wire formats of ``metrics.raw``: each codec turns one record's bytes into samples; :class:`BlockDecoder` picks the codec by content type."""

from schemas.codecs.base import MAX_TS, Codec, DecodeError
from schemas.codecs.block import CODECS, MAX_FUTURE_MS, BlockDecoder, DecodedBlock, media_type

__all__ = ["CODECS", "MAX_FUTURE_MS", "MAX_TS", "BlockDecoder", "Codec", "DecodeError", "DecodedBlock", "media_type"]
