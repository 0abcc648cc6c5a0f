"""Decoding: a film opened for its pictures, within limits, and without network or files of the decoder's own.

Needs the extra `media`, imported at the first use. Everything here blocks: it runs in worker threads.
"""

import errno
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runway_mcp.media.errors import NotDecodedHere, UnreadableFilm, require_media
from runway_mcp.media.pictures.planning import bytes_of, group_before, key_after, samples_until
from runway_mcp.media.pictures.reading import FilmFile

if TYPE_CHECKING:
    from av import VideoFrame

# The bytes come through us alone: a film that names other files or addresses opens none of them.
_OPTIONS = {"protocol_whitelist": "none", "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi"}
_CODECS = frozenset({"h264", "hevc", "av1", "libdav1d", "vp8", "vp9", "mpeg4", "prores", "mjpeg"})
_BUFFER = 65_536
_THREADS = 2
# Above it a decoder that may hold sixteen frames is not given more than one in a group.
_LARGE_PIXELS = 2560 * 1600
# While a film is opened the decoder looks at frames, in which it cannot be stopped.
_FRUGAL = {"skip_frame": "nokey", "analyzeduration": "100000"}
_OURS = frozenset({errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EACCES, errno.EPERM, errno.EIO, errno.EINTR})
"""Trouble of this machine, whatever the film is."""
_FAR = 2**31

# A second is asked for as it was told, rounded: this much of it may be missing.
_ROUNDING = 0.001


@dataclass(frozen=True)
class OpenFilm:
    """A film whose container is open: its video stream, its size in pixels, and the tick of its first frame."""

    file: FilmFile
    container: Any
    stream: Any
    indexed: bool
    """Whether the file's sample table tells where each frame is."""
    first_tick: int
    sound: Any = None
    """The stream of sound, if it was asked for and there is one."""

    def second(self, frame: "VideoFrame") -> float:
        """When the frame is shown, in seconds from the first one."""
        return max(0.0, float(((frame.pts or 0) - self.first_tick) * self.stream.time_base))

    def tick(self, second: float) -> int:
        """The last tick that belongs to this second."""
        return self.first_tick + int((min(max(0.0, second), 1e7) + _ROUNDING) / self.stream.time_base)

    def frames(self, second: float | None, *, from_start: bool = False) -> "Iterator[VideoFrame]":
        """Frames in the order in which they are shown; the one shown at `second` (None: the last) is among them.

        They begin at the keyframe before it, or earlier, and end with what decodes no later. `MissingBytes` names all
        that they need, before the first is decoded.
        """
        until = None if second is None else self.tick(second)
        if not self.indexed:
            self.file.require(0, self.file.size)
            self.container.seek(0)
            yield from self._decoded(until)
            return
        samples = self.stream.index_entries
        end = max(1, samples_until(samples, until))
        key = 0 if from_start else group_before(samples, end)
        while key and until is not None and self._begins_later(key, end, until):
            key = group_before(samples, key)
        self._seek(key, end)
        # In a film whose index is not complete yet, more may follow.
        yield from self._decoded(samples[end - 1].timestamp if end < len(samples) else until)

    def key_before(self, second: float) -> float | None:
        """When the last keyframe before `second` decodes, in seconds from the first frame; None if that is unknown."""
        if not self.indexed:
            return None
        samples = self.stream.index_entries
        key = group_before(samples, max(1, samples_until(samples, self.tick(second))))
        return float((samples[key].timestamp - self.first_tick) * self.stream.time_base)

    def _begins_later(self, key: int, end: int, until: int) -> bool:
        """Whether the keyframe, which decodes before `until`, is shown after it."""
        self._seek(key, end)
        packet = next(iter(self.container.demux(self.stream)), None)
        return packet is not None and packet.pts is not None and packet.pts > until

    def _seek(self, key: int, end: int) -> None:
        """Goes to sample `key`, once all the bytes from there to sample `end` are held."""
        samples = self.stream.index_entries
        start, stop = bytes_of(samples, key, end)
        if start < 0 or stop > self.file.size:
            raise UnreadableFilm("the film is cut short")
        self.file.require(start, stop)
        if any(samples[number].size > self.file.limits.packet for number in range(key, end)):
            raise _too_big_a_packet(self.file.limits.packet)
        # The demuxer goes to the keyframe before if ours is shown later than it was asked for.
        following = key_after(samples, key)
        tick = samples[following].timestamp - 1 if following < len(samples) else samples[-1].timestamp + _FAR
        self.container.seek(max(tick, samples[key].timestamp), stream=self.stream)

    def _decoded(self, until: int | None) -> "Iterator[VideoFrame]":
        """The frames from here on, up to those whose packets decode at `until`."""
        for count, packet in enumerate(self.container.demux(self.stream)):
            self.file.check()
            if count > self.file.limits.samples:
                raise NotDecodedHere(f"the film has more than {self.file.limits.samples} frames")
            # Outside MP4 some packets have no decoding time; the one behind the last has neither that nor content.
            past = until is not None and packet.dts is not None and packet.dts > until
            if past or (packet.dts is None and not packet.size):
                break
            if packet.size > self.file.limits.packet:
                raise _too_big_a_packet(self.file.limits.packet)
            if packet.size:
                yield from packet.decode()
            if until is not None and packet.dts == until:
                break
        yield from self.stream.codec_context.decode(None)


@contextmanager
def opened(file: FilmFile, *, sound: bool = False, frugal: bool = False) -> Generator[OpenFilm]:
    """The film in `file`, open for decoding, with or without its sound.

    With `frugal` only keyframes of large frames are decoded, one at a time, so that memory and time stay small; frames
    of usual films are all decoded. Raises `UnreadableFilm`, also for the decoder's own errors that the body meets,
    `NotDecodedHere` where it is not surely the film's fault, `MediaMissing`, and `MissingBytes` of `file`.
    """
    require_media()
    import av  # noqa: PLC0415  the extra `media` may be absent
    from av.error import FFmpegError  # noqa: PLC0415  likewise

    try:
        # The decoders that look into the film while it is opened have the same limit as ours.
        options = _OPTIONS | {"max_pixels": str(file.limits.pixels)} | (_FRUGAL if frugal else {})
        with av.open(file, options=options, buffer_size=_BUFFER) as container:
            file.check()
            yield _film(file, container, sound=sound, frugal=frugal)
    except UnreadableFilm:
        # Whose reason may be that the file ended too soon for the decoder, and not for the film.
        file.check()
        raise
    except FFmpegError as error:
        file.check()
        kind = NotDecodedHere if error.errno in _OURS else UnreadableFilm
        raise kind(f"the film cannot be decoded: {error.strerror}") from error
    except (MemoryError, OverflowError) as error:
        raise NotDecodedHere("the film cannot be decoded in the memory there is") from error


def _too_big_a_packet(most: int) -> NotDecodedHere:
    return NotDecodedHere(f"a frame of the film has more than {most // 1_000_000} MB")


def _film(file: FilmFile, container: Any, *, sound: bool, frugal: bool) -> OpenFilm:
    if not container.streams.video:
        raise UnreadableFilm("the film has no picture, only sound or nothing at all")
    from av.stream import Discard  # noqa: PLC0415  the extra `media` may be absent

    stream = container.streams.video[0]
    heard = next(iter(container.streams.audio), None) if sound else None
    for other in container.streams:
        if other not in {stream, heard}:
            other.discard = Discard.all
    codec = stream.codec_context
    if codec is None or codec.name not in _CODECS:
        raise NotDecodedHere("the film is in a format that is not decoded here")
    if codec.width * codec.height > file.limits.pixels:
        raise NotDecodedHere(f"the film's frames are too big: {codec.width} x {codec.height} pixels")
    if len(stream.index_entries) > file.limits.samples:
        raise NotDecodedHere(f"the film has more than {file.limits.samples} frames")
    codec.options = {"max_pixels": str(file.limits.pixels)}
    codec.thread_count, codec.thread_type = _THREADS, "AUTO"
    if frugal:
        large = codec.width * codec.height > _LARGE_PIXELS
        codec.skip_frame = "NONKEY" if large else "DEFAULT"
        codec.thread_count = 1 if large else _THREADS
    indexed = container.format.name.startswith("mov") and len(stream.index_entries) > 0
    return OpenFilm(file, container, stream, indexed, stream.start_time or 0, heard)
